"""Several runs compared: each with the first and with the one before it, all tests adjusted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.compare.diff import Diff, LinedUp, Side, compare_pair, plain
from evalkit.compare.measures import Estimate
from evalkit.compare.verdict import labels, sentence, verdict
from evalkit.runs.folder import Run
from evalkit.stats.pairs import Interval, holm, tango, wilson
from evalkit.stats.samples import mean_se
from evalkit.stats.selection import chosen_z
from evalkit.text import interval, points

FLATTERED = "the best of several is flattered by chance: choose it on other questions than those reported"
CHOSEN_HERE = (
    "chosen as the best of {k} on the very questions that are reported, which flatters it: the lower ends of "
    "the intervals of its accuracy and of its lead allow for that; --choose-on validation avoids it"
)
CHOSEN_ELSEWHERE = "chosen as the best of {k} on {task} ({n:,} questions), reported on other questions"


@dataclass(frozen=True)
class Step:
    """One comparison of the curve; `p_value` is adjusted for all comparisons of the curve (Holm)."""

    diff: Diff
    p_value: float

    def as_dict(self) -> dict[str, Any]:
        """`Diff.as_dict` with the adjusted p beside the comparison's own."""
        return {"verdict": verdict(self.diff, self.p_value), "p_holm": self.p_value, **self.diff.as_dict()}


@dataclass(frozen=True)
class Best:
    """The best run: its place, its accuracy and its lead over the first run, with intervals that hold
    although it was chosen, and how that was done. The lead is None where the first run is the best.
    """

    at: int
    accuracy: Estimate
    lead: Estimate | None
    remark: str


@dataclass(frozen=True)
class Curve:
    """k runs over the same questions. `against_first` has k - 1 entries, for the second run onwards;
    `against_previous` k - 2, for the third onwards (the second's would be the same comparison).
    """

    n: int
    sides: tuple[Side, ...]
    against_first: tuple[Step, ...]
    against_previous: tuple[Step, ...]
    chosen: Best

    @property
    def best(self) -> int:
        """The place of the best run, the earliest of equals."""
        return self.chosen.at

    def as_dict(self) -> dict[str, Any]:
        """What `--format json` prints."""
        return {
            "n": self.n,
            "sentence": self.sentence(),
            "runs": [plain(side) for side in self.sides],
            "against_first": [step.as_dict() for step in self.against_first],
            "against_previous": [step.as_dict() for step in self.against_previous],
            "best": self.sides[self.best].run,
            "best_accuracy": plain(self.chosen.accuracy),
            "best_lead": plain(self.chosen.lead),
            "remark": self.chosen.remark,
        }

    def sentence(self) -> str:
        """The last run against the first, and which one is best."""
        last = self.against_first[-1]
        return f"{sentence(last.diff, last.p_value, self.tests)}. {self.best_sentence()}"

    def best_sentence(self) -> str:
        """Which run is best, how good, and how far ahead of the first."""
        named, found = labels(self.sides), self.chosen
        accuracy = f"{points(found.accuracy.value)} ({interval(*found.accuracy.ci)})"
        lead = ""
        if found.lead:
            lead = f", {points(found.lead.value, sign=True)} ({interval(*found.lead.ci)}) against {named[0]}"
        return f"Best of {len(self.sides)}: {named[found.at]} with {accuracy}{lead}"

    @property
    def tests(self) -> int:
        return len(self.against_first) + len(self.against_previous)


def curve_of(lined_up: LinedUp, looks: int = 1, elsewhere: Sequence[Run] | None = None) -> Curve:
    """Compare three or more runs that were lined up, in the order given: 2k - 3 tests, asked `looks` times.

    The best is chosen by these runs, or by runs `elsewhere` of the same models on other questions.
    """
    k = len(lined_up.runs)
    first = [compare_pair(lined_up, 0, i, looks) for i in range(1, k)]
    previous = [compare_pair(lined_up, i - 1, i, looks) for i in range(2, k)]
    adjusted = holm([diff.p_value for diff in (*first, *previous)])
    steps = [Step(diff, p) for diff, p in zip((*first, *previous), adjusted, strict=True)]
    sides = (first[0].base, *(diff.new for diff in first))
    chosen = _best(lined_up, sides, first, elsewhere)
    return Curve(lined_up.aligned.n, sides, tuple(steps[: k - 1]), tuple(steps[k - 1 :]), chosen)


def _best(
    lined_up: LinedUp, sides: Sequence[Side], first: Sequence[Diff], elsewhere: Sequence[Run] | None
) -> Best:
    k = len(sides)
    if elsewhere is not None:
        at = max(range(k), key=lambda i: float(elsewhere[i].summary.accuracy))
        there = elsewhere[at]
        task = f"{there.manifest.task} {there.manifest.split}"
        lead = Estimate(first[at - 1].delta, first[at - 1].ci) if at else None
        remark = CHOSEN_ELSEWHERE.format(k=k, task=task, n=there.summary.n)
        return Best(at, Estimate(sides[at].accuracy, sides[at].ci), lead, remark)
    at = max(range(k), key=lambda i: sides[i].accuracy)
    shares = np.stack([run.correct / run.samples for run in lined_up.aligned.runs])
    accuracy = Interval(_lower(shares[at], chosen_z(shares), paired=False), sides[at].ci.high)
    lead = None
    if at:
        difference = shares[at] - shares[0]
        low = _lower(difference, chosen_z(shares[1:] - shares[0]), paired=True)
        lead = Estimate(first[at - 1].delta, Interval(low, first[at - 1].ci.high))
    return Best(at, Estimate(sides[at].accuracy, accuracy), lead, CHOSEN_HERE.format(k=k))


def _lower(values: NDArray[np.float64], z: float, *, paired: bool) -> float:
    """The lower end, z standard errors away: Wilson's of answers, Tango's of differences of answers."""
    n, up, down = len(values), int((values == 1).sum()), int((values == -1).sum())
    if up + down + int((values == 0).sum()) == n:
        return (tango(up, down, n, z) if paired else wilson(up, n, z)).low
    return max(-1.0 if paired else 0.0, float(values.mean()) - z * mean_se(values))
