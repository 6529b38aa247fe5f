"""Rows by evidence: those whose questions a model answers sometimes right and sometimes wrong.

`--select RUN:0.1..0.9` reads the pass rate of each row (correct completions of all completions) in an
`evalkit score --samples N` of the train split, or in the rollouts of an earlier training run.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.records import Row
from evalkit.runs.find import find_run
from evalkit.settings import settings
from prompts.errors import UserError
from trainkit.runs.lines import existing
from trainkit.runs.rollout import read_rollouts

SHAPE = re.compile(r"(?P<run>.+):(?P<low>[0-9.]+)\.\.(?P<high>[0-9.]*[0-9])")
HOW = "write RUN:LOW..HIGH with pass rates between 0 and 1, as in --select base-train:0.1..0.9"


@dataclass(frozen=True)
class PassRate:
    """What a run saw of one row."""

    question: str
    correct: int
    samples: int

    @property
    def share(self) -> float:
        return self.correct / self.samples

    def teaches(self, samples: int) -> float:
        """How probable it is that so many new samples are neither all right nor all wrong.

        The pass rate itself is uncertain: a beta distribution, Jeffreys' prior of 1/2 and 1/2 included.
        """
        right, wrong = self.correct + 0.5, self.samples - self.correct + 0.5
        every = (_all(part, right + wrong, samples) for part in (right, wrong))
        return 1.0 - sum(every)


def _all(part: float, whole: float, samples: int) -> float:
    """The mean of p ** samples where p has a beta distribution with `part` of `whole`."""
    return math.prod((part + i) / (whole + i) for i in range(samples))


@dataclass(frozen=True)
class Selected:
    """How many rows stay, how many went, and how many of the groups to come will teach."""

    rows: int
    easier: int
    harder: int
    unseen: int
    """Rows of which the run says nothing. They stay."""
    teaching: float | None
    """Mean over the rows that were seen, None where none of them stays."""


class Selection:
    """`--select`, read once: its bounds, what its run saw, and what it chose of the rows shown to it."""

    def __init__(self, text: str, samples: int) -> None:
        self.text, self.samples = text, samples
        self.run, self.low, self.high = parse_select(text)
        self.rates = pass_rates(self.run)
        self._kept = self._shown = self._easier = self._harder = self._unseen = 0
        self._teaching: list[float] = []

    def choose(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """The rows whose pass rate lies within the bounds (both included), and those without one."""
        kept = []
        for row in rows:
            rate = self.rates.get(row.id)
            if rate is None or rate.question != row.question:
                self._unseen += 1
            elif rate.share > self.high:
                self._easier += 1
                continue
            elif rate.share < self.low:
                self._harder += 1
                continue
            else:
                self._teaching.append(rate.teaches(self.samples))
            kept.append(row)
        self._shown, self._kept = self._shown + len(rows), self._kept + len(kept)
        return tuple(kept)

    def summary(self) -> Selected:
        """What all choices came to. Raises UserError where the run knows no row, or none stays."""
        if self._unseen == self._shown:
            raise UserError(
                f"--select {self.text}: {self.run} knows none of the {self._shown:,} training rows; name "
                "a training run on these rows, or score them: "
                "evalkit score --task TASK --split train --samples 8"
            )
        if not self._kept:
            raise UserError(
                f"--select {self.text}: no row lies within; {self._easier} are easier, "
                f"{self._harder} are harder"
            )
        seen = self._teaching
        mean = sum(seen) / len(seen) if seen else None
        return Selected(self._kept, self._easier, self._harder, self._unseen, mean)


def parse_select(text: str) -> tuple[str, float, float]:
    """Run, lowest and highest pass rate of `--select`; UserError where it is not of that form."""
    found = SHAPE.fullmatch(text)
    if found:
        try:
            low, high = float(found["low"]), float(found["high"])
        except ValueError:
            low, high = 1.0, 0.0
        if 0 <= low <= high <= 1:
            return found["run"], low, high
    raise UserError(f"--select {text}: {HOW}")


def pass_rates(run: str) -> dict[str, PassRate]:
    """What a run saw, by row id; completions that could not be scored do not count."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    questions: dict[str, str] = {}
    for row_id, question, outcome in _outcomes(run):
        if outcome != "unscored":
            counts[row_id][0] += outcome == "correct"
            counts[row_id][1] += 1
            questions[row_id] = question
    return {
        row_id: PassRate(questions[row_id], right, samples) for row_id, (right, samples) in counts.items()
    }


def _outcomes(name: str) -> Iterator[tuple[str, str, str]]:
    """Row id, question and outcome of every completion of a training run or a result folder."""
    for folder in (Path(name), settings().runs / name):
        if existing(folder / "train.json"):
            lines = read_rollouts(folder)
            yield from ((line.id, line.question, line.outcome) for line in lines if not line.validate)
            return
    for record in find_run(name, settings().results).records:
        yield record.id, record.question, record.outcome
