"""The order in which rows are drawn, pass after pass, by what the run itself has seen of them.

The first pass draws every row once, in the order of the seed. From the second pass on, a row whose
completions were all right, or all wrong, each time that it was drawn, comes up in one pass of four only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

SELDOM = 4
"""A row that has taught nothing so far comes up in one pass of so many, since a model changes."""


class RowEvidence:
    """What was seen of each row (its place in the training data): one reward always, or several."""

    def __init__(self) -> None:
        self.constant: dict[int, float] = {}
        self.teaching: set[int] = set()

    def note(self, row: int, rewards: Iterable[float]) -> None:
        """Take in the rewards of one group."""
        seen = set(rewards) | ({self.constant[row]} if row in self.constant else set())
        if row in self.teaching or len(seen) > 1:
            self.teaching.add(row)
            self.constant.pop(row, None)
        else:
            self.constant[row] = seen.pop()

    def drawn_in(self, row: int, number: int, seed: int) -> bool:
        """Whether a pass (1, 2, …) draws the row."""
        if row not in self.constant or number == 1:
            return True
        return (
            int.from_bytes(hashlib.sha256(f"{seed}:{row}".encode()).digest()[:4]) % SELDOM == number % SELDOM
        )


def pass_order(rows: Iterable[int], number: int, seed: int, evidence: RowEvidence) -> list[int]:
    """The rows of a shuffled order that a pass draws; all of them where it would draw none."""
    order = list(rows)
    return [row for row in order if evidence.drawn_in(row, number, seed)] or order
