"""Runs lined up by question: those that all of them hold and could score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.compare.columns import CORRECT, UNSCORED, WRONG, RunColumns


@dataclass(frozen=True)
class Questions:
    """The scored completions of one run over some questions.

    `question` gives each completion the number of its question; `ids` and all counts have one
    entry a question.
    """

    ids: NDArray[np.bytes_]
    completions: RunColumns
    question: NDArray[np.int64]

    def _count(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(self.question[mask], minlength=len(self.ids))

    @cached_property
    def samples(self) -> NDArray[np.int64]:
        return np.bincount(self.question, minlength=len(self.ids))

    @cached_property
    def correct(self) -> NDArray[np.int64]:
        return self._count(self.completions.outcome == CORRECT)

    @cached_property
    def lenient(self) -> NDArray[np.int64]:
        return self._count(self.completions.lenient == CORRECT)

    @property
    def answers_known(self) -> bool:
        """Whether every wrong completion has its answer, which a vote needs: imports may lack them."""
        return bool((self.completions.answer[self.completions.outcome == WRONG] >= 0).all())

    @property
    def single(self) -> bool:
        """Whether every question has one completion, so that the tests for pairs of yes and no apply."""
        return len(self.completions) == len(self.ids)


@dataclass(frozen=True)
class Aligned:
    """Runs over the same questions. `left_out` counts, for each, its questions that another run lacks;
    `unscored` the common ones that were left out because a run could not score them.
    """

    runs: tuple[Questions, ...]
    left_out: tuple[int, ...]
    unscored: int

    @property
    def n(self) -> int:
        return len(self.runs[0].ids)


def align(runs: Sequence[RunColumns]) -> Aligned:
    """Line runs up by question id; `Aligned.n` is 0 where they share none."""
    ids = [_distinct(run.ids) for run in runs]
    common = reduce(_intersect, ids)
    scored = reduce(_intersect, (_distinct(_of(run.ids, run.outcome != UNSCORED)) for run in runs), common)
    return Aligned(
        tuple(_restrict(run, scored) for run in runs),
        tuple(len(own) - len(common) for own in ids),
        len(common) - len(scored),
    )


def subset(aligned: Aligned, ids: NDArray[np.bytes_]) -> Aligned:
    """The same runs over those of their questions that have one of these ids."""
    wanted = np.intersect1d(aligned.runs[0].ids, ids)
    runs = tuple(_restrict(run.completions, wanted) for run in aligned.runs)
    return Aligned(runs, tuple(0 for _ in runs), 0)


def _distinct(ids: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """Distinct values of a sorted array."""
    first = np.ones(len(ids), dtype=np.bool_)
    first[1:] = ids[1:] != ids[:-1]
    return _of(ids, first)


def _of(ids: NDArray[np.bytes_], kept: NDArray[np.bool_]) -> NDArray[np.bytes_]:
    """The kept ids; no copy where that is all of them."""
    return ids if kept.all() else ids[kept]


def _intersect(first: NDArray[np.bytes_], second: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    if np.array_equal(first, second):
        return first
    return np.intersect1d(first, second, assume_unique=True)


def _restrict(run: RunColumns, ids: NDArray[np.bytes_]) -> Questions:
    if len(ids) == 0:
        return Questions(ids, run.take(slice(0, 0)), np.zeros(0, dtype=np.int64))
    number = np.minimum(np.searchsorted(ids, run.ids), len(ids) - 1)
    kept: NDArray[Any] = (ids[number] == run.ids) & (run.outcome != UNSCORED)
    if kept.all():  # the usual case: nothing is copied
        return Questions(ids, run, number)
    return Questions(ids, run.take(kept), number[kept])
