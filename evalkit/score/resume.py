"""The folder of a run: its name, and whether it may be resumed."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.locks.difference import SCORER_KEY, rescore_command
from evalkit.models.computation import computation_differences
from evalkit.portable import portable
from evalkit.runs.folder import Run, read_run
from evalkit.score.plan import RunPlan
from prompts.errors import Mismatch, UserError
from prompts.files import shortened
from prompts.lock import difference_of_locks

LONGEST = 200
"""Bytes of a folder's name before its hash; file systems take 255 for the whole."""
COPY_LOG = re.compile(r"engine\.\d+\.log")
OWN_FILES = {"records.jsonl", "prompt.lock.json", "engine.log"}
"""What a run that was killed before it had a manifest may have left."""


def model_slug(name: str) -> str:
    """A short name of a model for folders: its last part; of a checkpoint, training run and step."""
    if step := re.search(r"([^/:]+)[/:](?:global_)?step_(\d+)/?$", name):
        return f"{step[1]}-step_{step[2]}"
    return re.sub(r"[^\w.+-]+", "_", name.rstrip("/").rpartition("/")[2]) or "model"


def default_folder(plan: RunPlan, results: Path) -> Path:
    """`<model>-<task>-<split>-<template>-<hash>`: the hash tells apart all that `_identity` names.

    What config.json makes the model compute joins the hash only where the folder without it holds a run
    that computed otherwise: runs from before are found under their names.
    """
    said = {key: value for key, value in _identity(plan).items() if value is not None}
    parts = (model_slug(plan.model.name), plan.task.name, plan.task.split, plan.template.ref)
    stem = shortened("-".join(re.sub(r"[^\w.+@-]+", "_", part) for part in parts), LONGEST)
    folder = results / f"{stem}-{_digest(said)}"
    if (folder / "manifest.json").exists() and _computed_otherwise(read_run(folder), plan):
        computed = dict(plan.lock.carries.get("computation") or {})
        if not any(computed.get("beside", {}).values()):  # names from before it was recorded stay
            computed.pop("beside", None)
        return results / f"{stem}-{_digest({**said, 'computation': computed or None})}"
    return folder


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:6]


def open_folder(folder: Path, plan: RunPlan) -> Run | None:
    """The run that the folder holds, if it is this plan's; None where the folder is new.

    Raises UserError where it holds another run (the differing keys are named) or other files.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise UserError(f"{folder} is a file; give another folder with --output")
    if not (folder / "manifest.json").exists():
        others = [
            path.name
            for path in folder.iterdir()
            if path.name not in OWN_FILES and path.name[0] != "." and not COPY_LOG.fullmatch(path.name)
        ]
        started = folder / "records.jsonl"
        if others or (started.exists() and started.stat().st_size):
            raise UserError(f"{folder} holds other files ({', '.join(others[:3])}); give another --output")
        return None
    run = read_run(folder)
    if differing := _differing(run, plan):
        again = run.complete and differing == [f"reading.{SCORER_KEY}"]
        raise UserError(
            f"{folder} holds another run, it differs in {', '.join(differing)}; "
            + (f"{rescore_command(folder)}; or " if again else "")
            + "give another --output, or leave it out to get a folder of its own"
        )
    _refuse_edited(run)
    return run


def _refuse_edited(run: Run) -> None:
    """Raises Mismatch where manifest and prompt lock of a run, which a score writes alike, differ."""
    manifest, lock = run.manifest, run.lock
    said: dict[str, Any] = {"task": manifest.task, "split": manifest.split, "template": manifest.template}
    meant: dict[str, Any] = {
        "task": lock.data.get("task"),
        "split": lock.data.get("split"),
        "template": lock.template,
    }
    said |= {f"sampling.{key}": value for key, value in manifest.sampling.as_dict().items()}
    meant |= {f"sampling.{key}": value for key, value in lock.budget.items()}
    for key, value in said.items():
        if None not in (value, meant.get(key)) and value != meant[key]:
            raise Mismatch(
                f"{run.folder}/manifest.json has {key} {value!r}, the run's prompt lock {meant[key]!r}: the "
                f"manifest was edited; put {meant[key]!r} back, or give another --output"
            )


def carry_marks(run: Run, marks: Sequence[str]) -> Run:
    """The run with these marks beside its own, which stay for ever.

    A lock may have come to the model, or into its training run, after the run was scored: what is
    known of it now must be said as of a new run. The manifest of an unfinished run is left to its writer.
    """
    new = [mark for mark in marks if mark not in run.manifest.marks]
    if not new:
        return run
    print(f"{run.folder}: now marked {', '.join(new)}, as a new run would be", file=sys.stderr)
    manifest = run.manifest.changed(marks=(*run.manifest.marks, *new))
    if run.manifest.status != "running":
        manifest.write(run.folder)
    return Run(run.folder, manifest)


def _differing(run: Run, plan: RunPlan) -> list[str]:
    """Keys in which a run that was started is not the one planned."""
    held = _held(run)
    keys = [key for key, value in _identity(plan).items() if key != "lock" and held[key] != value]
    there, here = run.manifest.model.name, plan.model.name
    if there is not None and model_slug(there) not in _slugs(here):
        keys.append(f"model name ({there} there, {here} here)")
    keys += _computed_otherwise(run, plan)
    return keys + [f"{entry.section}.{entry.key}" for entry in difference_of_locks(run.lock, plan.lock)]


def _slugs(model: str) -> set[str]:
    """The slugs under which a manifest may hold a model: it writes a folder as seen from the current one."""
    folder = Path(model).expanduser()
    seen = {portable(Path(model)), folder.resolve().name} if folder.is_dir() else set()
    return {model_slug(name) for name in (model, *seen)}


def _computed_otherwise(run: Run, plan: RunPlan) -> list[str]:
    """Keys of config.json, and the limit of positions, in which a run differs that recorded them."""
    pair = (run.lock.carries.get("computation"), plan.lock.carries.get("computation"))
    keys = [f"config.json {key}" for key, _, _ in computation_differences(*pair)]
    limit = run.manifest.engine.limit
    return keys + ([] if limit in (None, plan.limit) else [f"positions ({limit} then, {plan.limit} now)"])


def _identity(plan: RunPlan) -> dict[str, Any]:
    """All that makes a run this one."""
    return {
        "model weights": plan.model.weights_sha256,
        "engine": plan.engine,
        "batch_invariant": plan.options.batch_invariant,
        "dtype": plan.options.dtype,
        "max_model_len": plan.options.max_model_len,
        "server": plan.options.base_url,
        "lock": plan.lock.as_dict()["sha256"],
    }


def _held(run: Run) -> dict[str, Any]:
    engine = run.manifest.engine
    return {
        "model weights": run.manifest.model.weights_sha256,
        "engine": engine.name,
        "batch_invariant": engine.batch_invariant,
        "dtype": engine.dtype or "auto",
        "max_model_len": engine.max_model_len,
        "server": engine.server,
    }
