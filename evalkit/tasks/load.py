"""`load_rows`: the only way to rows, for scoring as well as for training."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from evalkit.tasks import hub, reasoning, sources, sums
from evalkit.tasks.task import Task
from prompts.errors import UserError


def load_rows(
    task: str,
    split: str | None = None,
    *,
    data: Path | None = None,
    question_field: str | Sequence[str] | None = None,
    answer_field: str | Sequence[str] | None = None,
) -> Task:
    """Load one split of a task: `gsm8k`, `sums`, `rg:NAME`, `math-500`, `aime`, or a file.

    Without `split` the test split (of a file: all of it). `data` is a folder with `gsm8k/test.jsonl`
    and the like; without it the hub is asked. The fields are for files; of several names the first that
    the file has is taken.

    Raises UserError for an unknown task or split, a file that cannot be read (with the line), or a
    task without rows.
    """
    loaded = _load(task, split, data, _names(question_field), _names(answer_field))
    if not loaded.rows:
        raise UserError(f"task {task}, split {loaded.split}: no rows, there is nothing to score")
    return loaded


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())


def _load(
    task: str,
    split: str | None,
    data: Path | None,
    question_fields: tuple[str, ...],
    answer_fields: tuple[str, ...],
) -> Task:
    if sources.is_file(task):
        return sources.load(Path(task).expanduser(), split, question_fields, answer_fields)
    if question_fields or answer_fields:
        raise UserError(f"--question-field and --answer-field are for files; {task} names its own fields")
    if task in hub.TASKS:
        return hub.load(task, split or "test", data)
    if task == "sums" or task.startswith("sums:"):
        return sums.load(task, split or "test")
    if task.startswith("rg:"):
        return reasoning.load(task, split or "test")
    known = task_names()
    near = difflib.get_close_matches(task, known, n=3)
    raise UserError(
        f"unknown task {task!r}{' (near: ' + ', '.join(near) + ')' if near else ''}; "
        f"known: {', '.join(known)}, or a jsonl, json, csv or parquet file; `evalkit tasks list` shows them"
    )


def task_names() -> list[str]:
    """The tasks that have a name, as `tasks list` shows them (`rg:` stands for many)."""
    return [*hub.TASKS, "sums", "rg:NAME"]
