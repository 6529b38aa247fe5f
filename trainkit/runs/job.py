"""`train.json`: what a training run was asked for and what was found out before it started.

Written once by `trainkit.prepare`; read by the processes that verl starts, by resuming, by watching. A field
that is added later has a default: a file that lacks it did not record it. Keys that this version does not
know stay when a run that is resumed is written again.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import orjson

from prompts.errors import UserError
from prompts.files import read_json, write_json
from prompts.install import UPGRADE
from trainkit.options import ONE_OR_MORE, Options
from trainkit.runs.lines import existing
from trainkit.runs.shaping import Term

FILE_NAME = "train.json"
SCHEMA = 1


class JobBase(msgspec.Struct, frozen=True, kw_only=True):
    """The model that training starts from."""

    name: str
    revision: str | None = None
    weights_sha256: str | None = None


class ShapedReward(msgspec.Struct, frozen=True, kw_only=True):
    """The terms that are paid, and the located function of --reward-file with its `sha256`.

    The file's path is whole in a Job; train.json holds it as seen from the run's folder.
    """

    terms: tuple[Term, ...]
    file: dict[str, str] | None = None


class JobPart(msgspec.Struct, frozen=True, kw_only=True):
    """A task or validation set: what its prompts and answers are made and read with.

    `source` is verl's data_source. `grader` is that of a rule `python:FILE:FUNCTION`: the rule with the
    file's whole path, and the file's `sha256`. `thinking` is what the prompt lock says of it.
    """

    source: str
    task: str | None = None
    split: str | None = None
    template: str
    raw_prompts: bool
    chat_template_kwargs: dict[str, Any]
    rule: str
    grader: dict[str, str] | None = None
    thinking: dict[str, Any] | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A prepared training run. Lengths are in tokens. `original` is the file as it was read."""

    options: Options
    base: JobBase
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
    grader: dict[str, str] | None = None
    reward: ShapedReward | None = None
    """None where the reward is the score."""
    parts: list[JobPart] = []
    """Empty in runs begun before tasks were mixed."""
    scorer_version: int = 2
    """Of the scorer, as the lock names it; runs that do not record it began under the second."""
    original: dict[str, Any] | None = None

    def part(self, source: str | None) -> JobPart:
        """What prompts and answers of a source are made and read with."""
        found = next((part for part in self.parts if part.source == source), None)
        return found or JobPart(
            source=source or "",
            template=self.template,
            raw_prompts=self.raw_prompts,
            chat_template_kwargs=self.chat_template_kwargs,
            rule=self.rule,
            grader=self.grader,
            thinking=self.thinking,
        )

    def as_dict(self) -> dict[str, Any]:
        """The content of train.json."""
        before = self.original or {}
        values = msgspec.to_builtins(msgspec.structs.replace(self, original=None))
        del values["original"]
        values["options"] = {**before.get("options", {}), **self.options.as_dict()}
        return {**before, "schema": SCHEMA, **values}


def write_job(job: Job, folder: Path, run: Path | None = None) -> None:
    """Write train.json, whole or not at all, into `folder`, which becomes the run's folder `run` if given.

    Paths of this machine mean nothing elsewhere: the model's folder and the files of graders and of the
    reward are written as seen from the run's folder, and in the command that is `.`, the model its name.
    """
    values, place = job.as_dict(), run or folder
    start = place.resolve()
    _move_files(values, lambda path: os.path.relpath(path, start) if os.path.isabs(path) else path)
    if job.model_folder:
        command = [part.replace(str(place.absolute()), ".") for part in job.command]
        values["command"] = [part.replace(job.model_folder, job.base.name) for part in command]
        values["command"][:1] = ["python"] * bool(command)
        values["model_folder"] = os.path.relpath(job.model_folder, start)
    write_json(folder / FILE_NAME, values)


def _move_files(values: dict[str, Any], moved: Callable[[str], str]) -> None:
    """Change the path in every located function (`python:PATH:NAME`) of a file's content."""
    reward = values["reward"] or {}
    for located in (values["grader"], reward.get("file"), *(part["grader"] for part in values["parts"])):
        if located:
            located["rule"] = _moved(located["rule"], moved)


def _moved(rule: str, moved: Callable[[str], str]) -> str:
    kind, _, rest = rule.partition(":")
    path, _, name = rest.rpartition(":")
    return f"{kind}:{moved(path)}:{name}"


def reward_without_folder(job: Job) -> ShapedReward | None:
    """The reward as a checkpoint's manifest holds it: the function's file has its name and hash alone."""
    if job.reward is None or job.reward.file is None:
        return job.reward
    file = {**job.reward.file, "rule": _moved(job.reward.file["rule"], os.path.basename)}
    return msgspec.structs.replace(job.reward, file=file)


def model_folder_of(folder: Path, written: str) -> str:
    """The model's folder that train.json in `folder` names.

    Older files hold its whole path, recorded ones a path as seen from the current folder.
    """
    found = written and os.path.normpath(folder.resolve() / written)
    return written if not Path(found).is_dir() and Path(written).is_dir() else found


def read_job(folder: Path) -> Job:
    """Read train.json, gzipped or not.

    Raises UserError where it is missing, is not whole, has a value of a wrong type or was written by a newer
    trainkit.
    """
    path = existing(folder / FILE_NAME) or folder / FILE_NAME
    value = orjson.loads(gzip.decompress(path.read_bytes())) if path.suffix == ".gz" else read_json(path)
    schema = value.get("schema", 0)
    if isinstance(schema, int) and schema > SCHEMA:
        raise UserError(f"{folder} was made by a newer trainkit; {UPGRADE}")
    needed = [item.name for item in msgspec.structs.fields(Job) if item.required]
    if missing := [name for name in needed if name not in value]:
        raise UserError(f"{folder}/{FILE_NAME} is not whole, it lacks {', '.join(missing)}")
    options = value["options"]
    known = {**value, "options": _as_today(options) if isinstance(options, dict) else options}
    try:
        job = msgspec.convert(known, Job)
    except msgspec.ValidationError as error:
        raise UserError(f"{folder}/{FILE_NAME} cannot be read: {error}") from None
    reward = job.reward.file if job.reward else None
    for located in (job.grader, reward, *(part.grader for part in job.parts)):
        if located is not None and not {"rule", "sha256"} <= located.keys():
            raise UserError(f"{folder}/{FILE_NAME} cannot be read: a function of a file lacks rule or sha256")
    here = folder.resolve()
    values = msgspec.to_builtins(msgspec.structs.replace(job, original=None))
    _move_files(values, lambda path: os.path.normpath(here / path))  # older files hold whole paths
    values["model_folder"] = model_folder_of(folder, job.model_folder)
    return msgspec.structs.replace(msgspec.convert(values, Job), original=value)


def _as_today(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a train.json in the form of today, without those that this version does not know."""
    known = {item.name: values[item.name] for item in fields(Options) if item.name in values}
    if "save_every" in known:
        known["save_every"] = str(known["save_every"])
    lone = {name: [known[name]] for name in ONE_OR_MORE if isinstance(known.get(name), str)}
    return known | lone
