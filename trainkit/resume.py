"""Resuming a training run: the same options, the same prompts, the last whole checkpoint."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from evalkit.locks.difference import SCORER_KEY, explain
from evalkit.models.checkpoint import last_complete_step, list_steps
from prompts.errors import Mismatch, UserError
from prompts.lock import SECTIONS, difference_of_locks, read_lock
from prompts.tokens import load_tokenizer
from trainkit.options import Options, names_run
from trainkit.runs.job import FILE_NAME, Job, read_job
from trainkit.runs.metrics import cut_back, known_metrics, validation_accuracy


def read_existing(folder: Path, options: Options) -> Job | None:
    """The job of a run that is resumed, None for a new one.

    Raises UserError where the folder holds something else.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise UserError(f"{folder} is a file; name another --output")
    if not (folder / FILE_NAME).exists():
        if any(folder.iterdir()):
            raise UserError(f"{folder} holds other files and no training run; name another --output")
        return None
    job = read_job(folder)
    was, now = names_run(job.options), names_run(options)
    for key in dict.fromkeys((*was, *now)):
        if now.get(key) != was.get(key):
            raise UserError(
                f"{folder} holds another run: {key} is {was.get(key)!r} there and {now.get(key)!r} here; "
                "give the same options to resume, or name another --output"
            )
    return job


def same_prompts(folder: Path, building: Path, model: Path, options: Options) -> None:
    """A run resumes under the lock with which it began; Mismatch names what changed since."""
    was, now = read_lock(folder), read_lock(building)
    if was is None or now is None:
        raise Mismatch(f"{folder} has no prompt lock, so it cannot be known what it was trained on")
    found = difference_of_locks(was, now, SECTIONS)
    if "marks" not in was.data:  # a run begun before locks held them
        found = [entry for entry in found if (entry.section, entry.key) != ("data", "marks")]
    if found:
        keys = [entry.key for entry in found if not entry.key.startswith("probe.")] or ["probe"]
        what, fix = f"prompts of {folder.name} are not those", "restore them"
        if keys == [SCORER_KEY]:
            what, fix = f"reward of {folder.name} is not the one", "resume with the evalkit that began it"
        raise Mismatch(
            f"the {what} with which it began ({keys[0]}); {fix}, or start a new run with --output",
            explain(was, now, found, load_tokenizer(model, options.trust_remote_code)),
        )


@dataclass(frozen=True)
class Progress:
    """How far a training run has come."""

    step: int
    """Its last whole checkpoint, 0 where there is none."""
    validate_first: bool
    """Whether a validation comes before any training: of the base model, or of a checkpoint after which
    verl was stopped before it had logged the step."""
    complete: bool


def progress(folder: Path, total_steps: int) -> Progress:
    """Read it from the run's folder, which need not exist."""
    step = last_complete_step(folder) if folder.exists() else None
    if step is None:
        return Progress(0, validate_first=True, complete=False)
    line = known_metrics(folder).get(step)
    last = step >= total_steps
    unknown = line is None or (last and validation_accuracy(line) is None)
    return Progress(step, validate_first=unknown, complete=last and not unknown)


def resume_run(building: Path, folder: Path, step: int) -> None:
    """Renew a run's files from `building` and drop what is newer than `step`, its last whole checkpoint."""
    for path in sorted(building.iterdir()):
        path.replace(folder / path.name)
    for cut_off in list_steps(folder):
        if cut_off > step:
            shutil.rmtree(folder / f"global_step_{cut_off}")
    cut_back(folder, step or None)
