"""The prompt that is meant where --prompt names none, and what is said where a model's own is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from evalkit.locks.parts import is_other_task, lock_of, lock_parts
from evalkit.models.resolve import Model, ModelFiles, model_lock
from evalkit.tasks.task import Task
from prompts.errors import UserError
from prompts.lock import Lock, read_lock
from prompts.template import Template
from trainkit.data.parquet import VALIDATION_FILE
from trainkit.options import Options
from trainkit.runs.job import FILE_NAME as JOB_FILE


def locks_of(options: Options, model: Model | ModelFiles, run: Path | None) -> Iterator[Lock]:
    """What says which prompt is meant, in this order: the run as it began, --parquet, the model.

    Raises Mismatch where the model's lock is not its own.
    """
    begun = [run, run / VALIDATION_FILE] if run and (run / JOB_FILE).exists() else []
    for place in (*begun, *([Path(options.parquet).expanduser()] if options.parquet else [])):
        with suppress(UserError):  # what cannot be read is refused where it is used
            if (lock := read_lock(place)) is not None:
                yield lock
    if (locked := model_lock(model.name, model.folder)) is not None:
        yield locked


def default_template(locks: Sequence[Lock], task: Task) -> str:
    """The template of a task's rows without --prompt: that of the first lock that is for this task, as in
    `evalkit score`; else the task's own. Rows that are conversations are their own prompts.
    """
    if all(row.messages is None for row in task.rows):
        for lock in locks:
            if not is_other_task(lock, task):
                return lock_of(lock, task.name).template
    return task.template


def relocked(lock: Lock | None, model: str, template: Template) -> str | None:
    """A sentence where a model that is locked to one prompt is trained under another; else None."""
    if lock is None or template.text_sha256 in [p.reading["template"]["sha256"] for p in lock_parts(lock)]:
        return None
    kwargs = (lock.reading["chat_template"] or {}).get("kwargs") or {}
    with_them = f", chat_template_kwargs {kwargs}" if kwargs else ""
    return (
        f"{model} was locked to {lock.template} (fingerprint {lock.fingerprint}{with_them}) "
        f"and is trained under {template.ref} from here on; to keep its prompt: --prompt {lock.template}"
    )
