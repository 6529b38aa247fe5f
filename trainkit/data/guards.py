"""What stops a run because of its rows, or marks it: questions that stand on both sides."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.grade.check_golds import with_another_gold
from evalkit.grade.same_question import normal_text
from evalkit.locks.overlap import SHOWN, question_overlap, row_text
from evalkit.records import Row
from evalkit.tasks.load import load_rows
from evalkit.tasks.sources import is_file
from prompts.errors import Mismatch, UserError
from prompts.template import Template
from trainkit.data.inputs import Inputs
from trainkit.data.rows import PartRows, Split

ON_TEST = "validate on test"
"""The checkpoint was chosen by rows of a test split: a score on them is too good."""


def guard(inputs: Inputs, split: Split) -> tuple[str, ...]:
    """The marks of the run.

    Raises Mismatch where the test split of a task shares questions with the training rows, UserError
    where a set to validate on does.
    """
    allowed = inputs.options.allow_overlap
    named = split.validation[len(split.train) if inputs.keep_out else 0 :]
    marks = [ON_TEST] if any(part.from_test for part in inputs.validation) else []
    for used in split.train:
        if is_file(used.part.asked):
            continue  # a file has no other split to share questions with
        test = load_rows(used.part.asked, "test", data=inputs.data)
        for other in split.train:
            shared = question_overlap((row.question for row in other.rows), test.rows)
            if shared and not allowed:
                more = f" and {len(shared) - SHOWN:,} more" if len(shared) > SHOWN else ""
                raise Mismatch(
                    f"{len(shared):,} of the {len(test.rows):,} test questions of {test.name} stand in the "
                    f"training rows of {other.part.source} ({', '.join(shared[:SHOWN])}{more}), so a test "
                    "score would be too good; train on other rows, or continue with --allow-overlap "
                    "(every result is marked)"
                )
            marks += ["overlap"] if shared else []
        for held in named:
            if question_overlap((row.question for row in held.rows), test.rows):
                marks.append(ON_TEST)
    for held in named:
        marks += _validated_on_training(split, held, allowed)
    return tuple(dict.fromkeys(marks))


def disputed(split: Split) -> str | None:
    """A sentence where rows to train on say the same and hold different golds; None where none do."""
    rows = with_another_gold(
        (said(row, used.part.template), row) for used in split.train for row in used.rows
    )
    if not rows:
        return None
    shown = ", ".join(row.id for row in rows[:SHOWN])
    return (
        f"training rows ask what an earlier row asks, with another gold: {len(rows):,} ({shown}); whatever "
        "the model answers, one of the two calls it wrong: correct the golds or remove the rows"
    )


def _validated_on_training(split: Split, held: PartRows, allowed: bool) -> list[str]:
    trained = {said(row, used.part.template) for used in split.train for row in used.rows}
    shared = [row.id for row in held.rows if said(row, held.part.template) in trained]
    if shared and not allowed:
        raise UserError(
            f"{len(shared):,} of the {len(held.rows):,} rows of {held.part.source}, which validate, are "
            f"trained on too ({', '.join(shared[:SHOWN])}), so their accuracy would say nothing; take them "
            "out of one of the two, or continue with --allow-overlap (every result is marked)"
        )
    return ["overlap"] if shared else []


def said(row: Row, template: Template) -> str:
    """All that a row tells the model, as questions are compared: messages, or question and fields."""
    if row.messages is None:
        return normal_text(row_text(row, template))
    return normal_text("\n".join(message["content"] for message in row.messages))


def repeat(rows: Sequence[int], weight: float, order: Sequence[int]) -> list[int]:
    """Positions of rows as a weight has them: each so often, and of a fraction those first in `order`."""
    whole, part = int(weight), weight - int(weight)
    rest = set(order[: round(part * len(rows))])
    return [position for position in rows for _ in range(whole + (position in rest))]
