"""Which rows a model is trained on and which it is validated on, and which of them are left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.grade.grade import gold_problem
from evalkit.locks.overlap import SHOWN
from evalkit.locks.parquet import check_parquet, read_rows
from evalkit.records import Row
from prompts.errors import Mismatch, UserError
from trainkit.data.inputs import Inputs, Part
from trainkit.data.select import Selected, Selection

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VALIDATION_ROWS = 512
"""Rows of a task's train split kept out for validation, at most."""
VALIDATION_SHARE = 0.1
"""Share of the rows kept out where that is fewer: of 272 sums, 27."""


@dataclass(frozen=True)
class PartRows:
    """The rows of one task that are used, in their order."""

    part: Part
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Split:
    """Rows to train on by task, rows to validate on by set, and how many there were."""

    train: tuple[PartRows, ...]
    validation: tuple[PartRows, ...]
    rows: int
    repeated: int
    selected: Selected | None = None
    """What `--select` chose of the rows to train on."""

    def by_source(self) -> list[PartRows]:
        """All rows that are used of each task or set, those kept out with those that are trained on."""
        found: dict[str, PartRows] = {}
        for used in (*self.train, *self.validation):
            before = found.get(used.part.source)
            found[used.part.source] = PartRows(used.part, (*(before.rows if before else ()), *used.rows))
        return list(found.values())


def split_inputs(inputs: Inputs, tokenizer: PreTrainedTokenizerFast | None) -> Split:
    """Choose the rows of every task; a row that an earlier task has too is trained on once.

    Raises UserError where too few are left, Mismatch where a parquet that was handed in is not what the
    registry renders.
    """
    if inputs.options.limit is not None and inputs.options.limit < 1:
        raise UserError(f"--limit {inputs.options.limit}: at least 1 row is needed")
    seen: set[str] = set()
    options = inputs.options
    selection = Selection(options.select, options.samples) if options.select else None
    train, kept_out, total, repeated = [], [], 0, 0
    for part in inputs.train:
        rows = chosen_rows(inputs, part, tokenizer)
        unique = [row for row in rows if not is_repeated(row) and row.id not in seen]
        seen |= {row.id for row in unique}
        total, repeated = total + len(rows), repeated + len(rows) - len(unique)
        if inputs.keep_out:
            used, kept = keep_out(part, unique, inputs.options.seed, inputs.options.limit)
            kept_out.append(PartRows(part, kept))
        else:
            used = tuple(unique[: inputs.options.limit])
        train.append(PartRows(part, selection.choose(used) if selection else used))
    named = [PartRows(part, tuple(_once(part.task.rows))) for part in inputs.validation]
    selected = selection.summary() if selection else None
    return Split(tuple(train), (*kept_out, *named), total, repeated, selected)


def is_repeated(row: Row) -> bool:
    """Whether an earlier row of the task says the same."""
    return row.problem is not None and row.problem.startswith("duplicate of")


def _once(rows: Iterable[Row]) -> Iterable[Row]:
    return (row for row in rows if not is_repeated(row))


def chosen_rows(inputs: Inputs, part: Part, tokenizer: PreTrainedTokenizerFast | None) -> Sequence[Row]:
    """The split's rows, or those of them that a parquet handed in holds, in its order.

    Raises Mismatch where that parquet is not what the registry renders from the task's rows.
    """
    path = inputs.parquet
    if path is None:
        return part.task.rows
    task = part.task
    if tokenizer is None:
        raise UserError(f"--parquet {path} cannot be compared: {inputs.model.folder} holds no tokenizer")
    check_parquet(
        path,
        template=part.template,
        tokenizer=tokenizer,
        folder=inputs.model.folder,
        task=task.name,
        split=task.split,
    )
    known = {row.id: row for row in task.rows}
    ids = [str(row.id) for row in read_rows(path)]
    if foreign := [row_id for row_id in ids if row_id not in known]:
        raise Mismatch(
            f"{path} holds {len(foreign):,} rows that {task.name}, split {task.split}, does not have "
            f"({', '.join(foreign[:SHOWN])}); render the data: trainkit data OUTPUT --task {part.asked}"
        )
    return [known[row_id] for row_id in ids]


def keep_out(
    part: Part, rows: Sequence[Row], seed: int, limit: int | None
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Training rows, and those kept out of them for validation; both keep their order.

    Which rows are kept out depends on the seed and the rows' content only. A parquet that was handed
    in was split when it was made: what it lacks of the train split is preferred.
    """
    task = part.task
    used = len(rows) if limit is None else min(limit, len(rows))
    size = min(VALIDATION_ROWS, max(1, round(used * VALIDATION_SHARE)))
    present = {row.id for row in rows}
    absent = [row for row in task.rows if row.id not in present and not is_repeated(row)]
    pool = absent if len(absent) >= size else rows
    kept = {row.id for row in sorted(pool, key=lambda row: draw(seed, row.id))[:size]}
    train = [row for row in rows if row.id not in kept][:limit]
    if not train:
        raise UserError(f"{task.name} has {len(rows)} training row; 2 are needed, one to validate on")
    return tuple(train), tuple(row for row in task.rows if row.id in kept)


def draw(seed: int, row_id: str) -> str:
    """What rows are sorted by where some are drawn: it depends on seed and content only."""
    return hashlib.sha256(f"{seed}:{row_id}".encode()).hexdigest()


def check_golds(used: PartRows) -> None:
    """UserError where a row cannot be scored: its reward would be none, not zero."""
    part, rule = used.part, used.part.template.rule
    problems = [
        (row, problem) for row in used.rows if (problem := row.problem or gold_problem(row.gold, rule))
    ]
    if problems:
        row, problem = problems[0]
        raise UserError(
            f"{len(problems):,} of {len(used.rows):,} rows of {part.task.name} cannot be scored by rule "
            f"{rule}; the first is {row.id}: {problem} ({row.gold!r}); correct or remove them "
            f"(`evalkit tasks check {part.asked}` lists them), or use a prompt with another rule"
        )


def check_left(inputs: Inputs, use: str, left: Mapping[str, int], too_long: int) -> None:
    """UserError where no row of a task or set fits under the length limit; `left` counts them by name."""
    for name, rows in left.items():
        if not rows:
            raise UserError(
                f"no {use} row of {name} is left: {too_long} prompts are longer than "
                f"{inputs.max_prompt_tokens} tokens; raise --prompt-length"
            )
