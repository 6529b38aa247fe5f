"""The train-on-test guard: which of the questions to be scored was the checkpoint trained on?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from prompts.errors import Mismatch
from prompts.lock import Lock, ids_sha256

SHOWN = 3


class Question(Protocol):
    """What the guard reads of a row; `evalkit.records.Row` is one."""

    @property
    def id(self) -> str: ...
    @property
    def question(self) -> str: ...


def locked_overlap(lock: Lock, prompts: Iterable[tuple[str, Sequence[int]]]) -> list[str]:
    """Ids of the rows that stand in a lock's training data.

    `prompts` are (row id, prompt token ids) of the rows to be scored. A row counts where its id or
    its whole prompt is the same, so that another gold or another file name hides nothing.
    """
    trained = set(lock.data["prompts"])
    hashes = set(lock.data["prompts"].values())
    return [row_id for row_id, ids in prompts if row_id in trained or ids_sha256(ids) in hashes]


def question_overlap(training: Iterable[str], rows: Iterable[Question]) -> list[str]:
    """Ids of the rows whose question is among the training questions; case and spaces do not count."""
    trained = {_normal(question) for question in training}
    return [row.id for row in rows if _normal(row.question) in trained]


def refuse_overlap(shared: Sequence[str], total: int, *, what: str, scored: str) -> None:
    """Raise Mismatch where rows are shared; `what` was trained on `scored`'s rows."""
    if shared:
        more = f" and {len(shared) - SHOWN:,} more" if len(shared) > SHOWN else ""
        raise Mismatch(
            f"{what} was trained on {len(shared):,} of the {total:,} questions of {scored} "
            f"({', '.join(shared[:SHOWN])}{more}), so its score would be too good; score another split, "
            "or continue with --allow-overlap (the result is marked)"
        )


def _normal(question: str) -> str:
    return " ".join(question.casefold().split())
