"""`train.json`: what a training run was asked for and what was found out before it started.

Written once by `trainkit.prepare`; read by the processes that verl starts, by resuming, by watching.
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from prompts.errors import UserError
from prompts.files import read_json, write_json
from prompts.install import UPGRADE

FILE_NAME = "train.json"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Job:
    """A prepared training run. Lengths are in tokens."""

    options: dict[str, Any]
    """Every option of trainkit/options.py, resolved."""
    base: dict[str, Any]
    """The model that training starts from: name, revision, weights_sha256."""
    model_folder: str
    trust_remote_code: bool
    fingerprint: str
    template: str
    raw_prompts: bool
    """The template is raw text: a row's only message holds the prompt itself."""
    chat_template_kwargs: dict[str, Any]
    rule: str
    stop_ids: list[int]
    prompt_length: int
    response_length: int
    total_steps: int
    rows: dict[str, int]
    """The counts of trainkit.data.dataset.Dataset."""
    marks: list[str]
    command: list[str]
    packages: dict[str, str]
    thinking: dict[str, Any] | None = None
    """What the prompt lock says of thinking (`reading.thinking`)."""
    grader: dict[str, str] | None = None
    """Of a rule `python:FILE:FUNCTION`: `rule` with the file's whole path, and the file's `sha256`."""
    reward: dict[str, Any] | None = None
    """Of a shaped reward: `terms` (`trainkit.runs.shaping`), and `file`, the located function of
    --reward-file with its `sha256`, or None. None where the reward is the score."""
    parts: list[dict[str, Any]] = field(default_factory=list)
    """A task or validation set each: source (verl's data_source), task, split, template, raw_prompts,
    chat_template_kwargs, rule, grader, thinking. Empty in runs begun before tasks were mixed."""

    def part(self, source: str) -> dict[str, Any]:
        """What prompts and answers of a source are made and read with."""
        whole = {
            "source": source,
            "template": self.template,
            "raw_prompts": self.raw_prompts,
            "chat_template_kwargs": self.chat_template_kwargs,
            "rule": self.rule,
            "grader": self.grader,
            "thinking": self.thinking,
        }
        return next((part for part in self.parts if part["source"] == source), whole)

    scorer_version: int = 2
    """Of the scorer, as the lock names it; runs that do not record it began under the second."""


def write_job(job: Job, folder: Path) -> None:
    """Write train.json, whole or not at all."""
    write_json(folder / FILE_NAME, {"schema": SCHEMA, **asdict(job)})


def read_job(folder: Path) -> Job:
    """Read train.json. Keys that this version does not know are left alone.

    Raises UserError where it is missing, is not whole or was written by a newer trainkit.
    """
    value = read_json(folder / FILE_NAME)
    if value.pop("schema", 0) > SCHEMA:
        raise UserError(f"{folder} was made by a newer trainkit; {UPGRADE}")
    known = fields(Job)
    needed = [item.name for item in known if item.default is MISSING and item.default_factory is MISSING]
    if missing := [name for name in needed if name not in value]:
        raise UserError(f"{folder}/{FILE_NAME} is not whole, it lacks {', '.join(missing)}")
    return Job(**{item.name: value[item.name] for item in known if item.name in value})
