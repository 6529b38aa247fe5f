"""Several runs compared: each with the first and with the one before it, all tests adjusted together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalkit.compare.diff import Diff, LinedUp, Side, compare_pair, plain
from evalkit.compare.verdict import labels, sentence, verdict
from evalkit.stats.pairs import holm
from evalkit.text import points

BIASED = (
    "the best of several is flattered by chance: its accuracy is biased upward, and so is its lead; "
    "choose on other questions than those that are reported"
)


@dataclass(frozen=True)
class Step:
    """One comparison of the curve; `p_value` is adjusted for all comparisons of the curve (Holm)."""

    diff: Diff
    p_value: float

    def as_dict(self) -> dict[str, Any]:
        """`Diff.as_dict` with the adjusted p beside the comparison's own."""
        return {"verdict": verdict(self.diff, self.p_value), "p_holm": self.p_value, **self.diff.as_dict()}


@dataclass(frozen=True)
class Curve:
    """k runs over the same questions. `against_first` has k - 1 entries, for the second run onwards;
    `against_previous` k - 2, for the third onwards (the second's would be the same comparison). `best`
    is the place of the most accurate run, the earliest of equals.
    """

    n: int
    sides: tuple[Side, ...]
    against_first: tuple[Step, ...]
    against_previous: tuple[Step, ...]
    best: int

    def as_dict(self) -> dict[str, Any]:
        """What `--format json` prints."""
        return {
            "n": self.n,
            "sentence": self.sentence(),
            "runs": [plain(side) for side in self.sides],
            "against_first": [step.as_dict() for step in self.against_first],
            "against_previous": [step.as_dict() for step in self.against_previous],
            "best": self.sides[self.best].run,
            "remark": BIASED,
        }

    def sentence(self) -> str:
        """The last run against the first, and which one is best."""
        last = self.against_first[-1]
        best = self.sides[self.best]
        return (
            f"{sentence(last.diff, last.p_value, self.tests)}. "
            f"Best of {len(self.sides)}: {labels(self.sides)[self.best]} with {points(best.accuracy)}"
        )

    @property
    def tests(self) -> int:
        return len(self.against_first) + len(self.against_previous)


def curve_of(lined_up: LinedUp) -> Curve:
    """Compare three or more runs that were lined up, in the order given: 2k - 3 tests."""
    k = len(lined_up.runs)
    first = [compare_pair(lined_up, 0, i) for i in range(1, k)]
    previous = [compare_pair(lined_up, i - 1, i) for i in range(2, k)]
    adjusted = holm([diff.p_value for diff in (*first, *previous)])
    steps = [Step(diff, p) for diff, p in zip((*first, *previous), adjusted, strict=True)]
    sides = (first[0].base, *(diff.new for diff in first))
    best = max(range(k), key=lambda i: sides[i].accuracy)
    return Curve(lined_up.aligned.n, sides, tuple(steps[: k - 1]), tuple(steps[k - 1 :]), best)
