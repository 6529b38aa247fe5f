"""Which rows a model is trained on and which it is validated on, and what stops a run because of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evalkit.grade.grade import gold_problem
from evalkit.locks.overlap import SHOWN, question_overlap
from evalkit.locks.parquet import check_parquet, read_rows
from evalkit.records import Row
from evalkit.tasks.load import load_rows
from evalkit.tasks.sources import is_file
from evalkit.tasks.task import Task
from prompts.errors import Mismatch, UserError
from prompts.template import Template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VALIDATION_ROWS = 512
"""Rows of the train split kept out for validation, at most."""
VALIDATION_SHARE = 0.1
"""Share of the rows kept out where that is fewer: of 272 sums, 27."""


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What decides the data of a training run."""

    model: Path
    """Model folder: its tokenizer, chat template and end tokens are used."""
    task: str
    template: str | None = None
    """Ref or name of the prompt template; None takes the task's default."""
    max_prompt_tokens: int
    """Longer prompts are counted, reported and left out."""
    sampling: Mapping[str, Any]
    """Sampling of the rollouts (fields of evalkit.records.Sampling), for the lock's budget."""
    seed: int = 0
    """Decides which rows are kept out."""
    limit: int | None = None
    """Use the first so many rows of the train split only."""
    validate: Literal["train", "test"] = "train"
    """Where validation rows come from: kept out of `train`, or all of `test` (marked)."""
    parquet: Path | None = None
    """Training data rendered elsewhere: re-rendered, compared row by row, and then used."""
    allow_overlap: bool = False
    """Train although the test split shares questions with the training rows (marked)."""
    data: Path | None = None
    """Folder of local data sets, as in `evalkit score --data`."""
    templates: tuple[Path, ...] = ()
    """Folders of the user's own templates."""
    trust_remote_code: bool = False


@dataclass(frozen=True)
class Split:
    """Rows to train on, rows to validate on, and the split's name that the latter come from."""

    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    validation_split: str


def load_training_rows(task: str, data: Path | None) -> Task:
    """The rows that a task is trained on: its train split, of a file all rows.

    Raises UserError where the rows bring prompts of their own, which would not be the registry's.
    """
    source = load_rows(task, None if is_file(task) else "train", data=data)
    if any(row.messages is not None for row in source.rows):
        raise UserError(
            f"{task} brings prompts of its own; training renders them from the registry: give the task by "
            f"name and this file as --parquet {task}, or a file of questions and answers as --task"
        )
    return source


def is_repeated(row: Row) -> bool:
    """Whether an earlier row of the task says the same."""
    return row.problem is not None and row.problem.startswith("duplicate of")


def chosen_rows(
    options: DataOptions, source: Task, template: Template, tokenizer: PreTrainedTokenizerFast
) -> Sequence[Row]:
    """The split's rows, or those of them that a parquet handed in holds, in its order.

    Raises Mismatch where that parquet is not what the registry renders from the task's rows.
    """
    if options.limit is not None and options.limit < 1:
        raise UserError(f"--limit {options.limit}: at least 1 row is needed")
    if options.parquet is None:
        return source.rows
    path = options.parquet
    check_parquet(
        path,
        template=template,
        tokenizer=tokenizer,
        folder=options.model,
        task=source.name,
        split=source.split,
    )
    known = {row.id: row for row in source.rows}
    ids = [str(row.id) for row in read_rows(path)]
    if foreign := [row_id for row_id in ids if row_id not in known]:
        raise Mismatch(
            f"{path} holds {len(foreign):,} rows that {source.name}, split {source.split}, does not have "
            f"({', '.join(foreign[:SHOWN])}); render the data: trainkit data OUTPUT --task {options.task}"
        )
    return [known[row_id] for row_id in ids]


def split_rows(options: DataOptions, source: Task, rows: Sequence[Row]) -> Split:
    """Keep the validation rows out of the training rows; both keep their order.

    Which rows are kept out depends on the seed and the rows' content only. A parquet that was handed
    in was split when it was made: what it lacks of the train split is preferred.
    """
    if options.validate == "test":
        test = load_rows(options.task, "test", data=options.data)
        once = tuple(row for row in test.rows if not is_repeated(row))
        return Split(tuple(rows[: options.limit]), once, test.split)
    used = len(rows) if options.limit is None else min(options.limit, len(rows))
    size = min(VALIDATION_ROWS, max(1, round(used * VALIDATION_SHARE)))
    present = {row.id for row in rows}
    absent = [row for row in source.rows if row.id not in present and not is_repeated(row)]
    pool = absent if len(absent) >= size else rows
    kept = {row.id for row in sorted(pool, key=lambda row: _draw(options.seed, row.id))[:size]}
    train = [row for row in rows if row.id not in kept][: options.limit]
    if not train:
        raise UserError(f"{source.name} has {len(rows)} training row; 2 are needed, one to validate on")
    return Split(tuple(train), tuple(row for row in source.rows if row.id in kept), source.split)


def _draw(seed: int, row_id: str) -> str:
    return hashlib.sha256(f"{seed}:{row_id}".encode()).hexdigest()


def check_golds(source: Task, template: Template, rows: Sequence[Row]) -> None:
    """UserError where a row cannot be scored: its reward would be none, not zero."""
    problems = [(row, problem) for row in rows if (problem := gold_problem(row.gold, template.rule))]
    if problems:
        row, problem = problems[0]
        raise UserError(
            f"{len(problems):,} of {len(rows):,} rows of {source.name} cannot be scored by rule "
            f"{template.rule}; the first is {row.id}: {problem} ({row.gold!r}); correct or remove them "
            f"(`evalkit tasks check {source.name}` lists them), or use a prompt with another rule"
        )


def check_left(options: DataOptions, source: Task, train: int, validation: int, too_long: int) -> None:
    """UserError where no row of a kind fits under the length limit."""
    if not train or not validation:
        raise UserError(
            f"no {'validation' if train else 'training'} row of {source.name} is left: {too_long} prompts "
            f"are longer than {options.max_prompt_tokens} tokens; raise --prompt-length"
        )


def guard(options: DataOptions, source: Task, split: Split) -> tuple[str, ...]:
    """The marks of the run; Mismatch where the test split shares questions with the training rows."""
    marks = ("validate on test",) if options.validate == "test" else ()
    if is_file(options.task):
        return marks  # a file has no other split to share questions with
    test = load_rows(options.task, "test", data=options.data)
    shared = question_overlap((row.question for row in split.train), test.rows)
    if not shared:
        return marks
    if not options.allow_overlap:
        more = f" and {len(shared) - SHOWN:,} more" if len(shared) > SHOWN else ""
        raise Mismatch(
            f"{len(shared):,} of the {len(test.rows):,} test questions of {source.name} stand in its "
            f"training rows ({', '.join(shared[:SHOWN])}{more}), so a test score would be too good; "
            "train on other rows, or continue with --allow-overlap (every result is marked)"
        )
    return (*marks, "overlap")
