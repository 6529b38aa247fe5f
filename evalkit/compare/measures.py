"""What is compared between two runs: accuracy, strict and lenient; of several samples pass@k and maj@k."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from evalkit.compare.align import Questions
from evalkit.compare.columns import CORRECT
from evalkit.stats.pairs import (
    CONFIDENCE,
    Z_POWER,
    Interval,
    Z,
    mcnemar_exact,
    student_z,
    tango,
    wilson,
)
from evalkit.stats.power import detectable
from evalkit.stats.samples import around, clustered_se, majority, mean_se, paired_p, pass_at_k


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its interval."""

    value: float
    ci: Interval


@dataclass(frozen=True, slots=True)
class Metric:
    """One measure of both runs and its paired difference, new minus base."""

    name: str
    base: Estimate
    new: Estimate
    delta: float
    ci: Interval
    p_value: float


def metrics_of(base: Questions, new: Questions) -> tuple[Metric, ...]:
    """Strict accuracy first, lenient second, then what several samples allow."""
    if base.single and new.single:
        return (
            _single("strict", base.correct > 0, new.correct > 0),
            _single("lenient", base.lenient > 0, new.lenient > 0),
        )
    return tuple(_sampled(base, new))


def accuracy(questions: Questions, *, lenient: bool = False) -> Estimate:
    """Accuracy of one run: Wilson's interval, or one with clustered errors for several samples."""
    completions = questions.completions
    right = (completions.lenient if lenient else completions.outcome) == CORRECT
    if questions.single:
        return Estimate(float(right.mean()), wilson(int(right.sum()), len(right)))
    value = float(right.mean())
    se = clustered_se(right.astype(np.float64), questions.question)
    return Estimate(value, around(value, se, len(questions.ids), 0, 1))


def _single(name: str, base: NDArray[np.bool_], new: NDArray[np.bool_]) -> Metric:
    n, k_base, k_new = len(base), int(base.sum()), int(new.sum())
    fixed, broken = int((new & ~base).sum()), int((base & ~new).sum())
    return Metric(
        name,
        Estimate(k_base / n, wilson(k_base, n)),
        Estimate(k_new / n, wilson(k_new, n)),
        (fixed - broken) / n,
        tango(fixed, broken, n),
        mcnemar_exact(fixed, broken),
    )


def _sampled(base: Questions, new: Questions) -> Iterator[Metric]:
    """Each measure has one value a question; questions are independent, completions of one are not."""
    samples = int(min(base.samples.min(), new.samples.min()))
    yield _paired(f"mean@{samples}", base.correct / base.samples, new.correct / new.samples)
    yield _paired(f"lenient mean@{samples}", base.lenient / base.samples, new.lenient / new.samples)
    k = 2
    while k <= samples:
        values = (pass_at_k(side.samples, side.correct, k) for side in (base, new))
        yield _paired(f"pass@{k}", *values)
        k *= 2
    if samples > 1 and base.answers_known and new.answers_known:
        yield _paired(f"maj@{samples}", *(_majority(side) for side in (base, new)))


def _majority(side: Questions) -> NDArray[np.float64]:
    right = side.completions.outcome == CORRECT
    return majority(side.question, side.completions.answer, right, len(side.ids))


def _paired(name: str, base: NDArray[np.float64], new: NDArray[np.float64]) -> Metric:
    """Means over questions and their paired difference (Miller 2024, arXiv 2411.00640, sect. 4.2)."""
    difference = new - base
    n, delta = len(difference), float(difference.mean())
    sides = [Estimate(float(v.mean()), around(float(v.mean()), mean_se(v), n, 0, 1)) for v in (base, new)]
    ci = around(delta, mean_se(difference), n, -1, 1)
    return Metric(name, sides[0], sides[1], delta, ci, paired_p(difference))


def shared_interval(base: Questions, new: Questions, strict: Metric, looks: int) -> Interval:
    """The interval of the strict difference that fails once in 20 over so many looks (Bonferroni)."""
    if looks == 1:
        return strict.ci
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / (2 * looks))
    difference = new.correct / new.samples - base.correct / base.samples
    n = len(difference)
    if base.single and new.single:
        return tango(int((difference > 0).sum()), int((difference < 0).sum()), n, z)
    return around(strict.delta, mean_se(difference) * z / Z, n, -1, 1)


def minimum_detectable(base: Questions, new: Questions) -> float:
    """The smallest difference for which the verdict says so in 80 %; of the mean of paired differences
    where there are several samples.
    """
    n = len(base.ids)
    difference = new.correct / new.samples - base.correct / base.samples
    if base.single and new.single:
        return detectable(int(np.count_nonzero(difference)), n)
    return min(1.0, (student_z(n - 1) + Z_POWER) * mean_se(difference)) if n > 1 else 1.0
