"""A run of another tool, whichever it is: its name, its lock, its lenient reading, and the folder written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.extract.reading import extract
from evalkit.grade.grade import grade
from evalkit.records import Extraction, Outcome, Record
from evalkit.runs.folder import RunWriter
from evalkit.runs.manifest import Manifest, SamplingFacts
from evalkit.runs.summary import summarize
from prompts.errors import UserError
from prompts.files import shortened, whole_folder
from prompts.lock import Lock


@dataclass(frozen=True, kw_only=True)
class ImportedRun:
    """A run that is not written yet. `notes` are for the user: what was replaced or is not known."""

    name: str
    path: Path
    lock: Lock
    manifest: Manifest
    records: list[Record]
    notes: list[str]


def run_name(model: str, task: str, verdicts: str, end: str) -> str:
    """The name of the result folder; `end` tells runs of the same model, task and verdicts apart."""
    return re.sub(r"[^\w.@=-]+", "_", shortened(f"{model}-{task}-{verdicts}", 200) + f"-{end}")


def foreign_lock(
    reading: Mapping[str, Any], task: str, split: str, prompts: Mapping[str, str], sampling: SamplingFacts
) -> Lock:
    """The lock of what is known: `reading` names under `unknown` what is not, `prompts` are the first 16 hex
    digits of a sha256 of each row's prompt text.
    """
    data = {
        "task": task,
        "split": split,
        "hash of": "prompt text",
        "rows": len(prompts),
        "prompts": dict(sorted(prompts.items())),
    }
    return Lock(reading=dict(reading), data=data, budget=dict(sampling.as_dict()))


def read_leniently(
    found: Extraction, outcome: Outcome, text: str, gold: str | None
) -> tuple[Extraction, Outcome]:
    """Our lenient reading where the tool found no answer; else its own, since strictly right is leniently."""
    if outcome != "no_answer":
        return found, outcome
    lenient = extract(text, "lenient")
    return lenient, grade(lenient, gold).outcome


def write_run(run: ImportedRun, results: Path) -> Path:
    """Write the result folder, whole or not at all. UserError where it exists or cannot be written."""
    folder = results / run.name
    if _exists(folder):
        raise UserError(
            f"{folder} exists: this log was imported before; remove the folder to import it again"
        )
    with whole_folder(folder) as temporary:
        writer = RunWriter(temporary, run.manifest, run.lock)
        for record in run.records:
            writer.append(record)
        writer.finish(run.manifest, summarize(run.records, None))
    return folder


def _exists(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from None
