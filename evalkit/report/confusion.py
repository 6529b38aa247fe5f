"""Which option was answered where another is right: a table of golds by answers, for tasks with options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.runs.folder import Run

NONE = "none"
"""The column of completions without an answer."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """One run. `rows` has a line a gold: the gold, then how often each of `answers` was given."""

    key: str
    answers: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]


def confusions(runs: Sequence[Run], keys: str) -> tuple[Confusion, ...]:
    """The tables of the runs that were read by the rule `choice`; unscored completions are left out."""
    return tuple(
        _confusion(run, key)
        for run, key in zip(runs, keys, strict=True)
        if run.lock.rule.partition("@")[0] == "choice"
    )


def _confusion(run: Run, key: str) -> Confusion:
    counts = Counter(
        (str(record.gold).strip().strip("()").upper(), (record.extraction.answer or NONE))
        for record in run.records
        if record.outcome != "unscored"
    )
    golds = sorted({gold for gold, _ in counts})
    answers = sorted({*golds, *(answer for _, answer in counts if answer != NONE)})
    columns = (*answers, NONE)
    return Confusion(
        key=key,
        answers=columns,
        rows=tuple((gold, tuple(counts[gold, answer] for answer in columns)) for gold in golds),
    )
