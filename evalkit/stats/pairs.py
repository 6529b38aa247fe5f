"""Proportions and pairs of them: Wilson, McNemar, Tango, Holm.

Small closed forms in plain Python, so that a comparison of two runs starts at once; the tests hold
each against scipy, statsmodels or published tables. All shares are between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95
POWER = 0.80
Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
Z_POWER = NormalDist().inv_cdf(POWER)


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, 95 % unless its maker says otherwise."""

    low: float
    high: float

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.high))

    def as_list(self) -> list[float]:
        return list(self)


def wilson(k: int, n: int, z: float = Z) -> Interval:
    """Score interval of a share of k in n (Wilson 1927, JASA 22:209). (0, 1) where n is 0."""
    if n == 0:
        return Interval(0.0, 1.0)
    share = k / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if k == 0 else (centre - half) / scale
    high = 1.0 if k == n else (centre + half) / scale
    return Interval(low, high)


def mcnemar_exact(fixed: int, broken: int) -> float:
    """Two-sided exact p of `fixed` against `broken` discordant pairs (McNemar 1947, Psychometrika 12:153).

    Under no difference each discordant pair falls either way with probability one half, so p is
    twice the smaller tail of a binomial, at most 1. 1.0 where no pair is discordant.
    """
    n, k = fixed + broken, min(fixed, broken)
    if n == 0:
        return 1.0
    # P(X = k) in logs, and the terms below it by their ratios: no factorial is ever formed.
    log_term = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)
    steps = np.arange(k, 0, -1)
    tail = 1.0 + float(np.cumprod(steps / (n - steps + 1)).sum())
    return min(1.0, 2 * math.exp(log_term) * tail)


def student_p(t: float, df: int) -> float:
    """Two-sided p of Student's t (Abramowitz & Stegun 1964, 26.7.3 and 26.7.4); 1.0 where df is 0.

    Above 10,000 degrees of freedom the normal distribution stands in, whose p differs by less than 1e-4.
    """
    if df < 1:
        return 1.0
    if df > 10_000:
        return math.erfc(abs(t) / math.sqrt(2))
    angle = math.atan2(abs(t), math.sqrt(df))
    cos, sin = math.cos(angle), math.sin(angle)
    odd = df % 2
    steps = np.arange(2 + odd, df - 1, 2)
    # Each term of the series is the one before times cos^2 (i - 1) / i, with i = 2, 4, ... or i = 3, 5, ...
    series = 1.0 + float(np.cumprod(cos * cos * (steps - 1) / steps).sum()) if df > 1 else 0.0
    inside = (angle + sin * cos * series) * 2 / math.pi if odd else sin * series
    return max(0.0, 1.0 - inside)


@lru_cache(maxsize=64)
def student_z(df: int) -> float:
    """How many standard errors a 95 % interval reaches to each side; infinity where df is 0."""
    if df < 1:
        return math.inf
    low, high = Z, 13.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_p(middle, df) > 1 - CONFIDENCE else (low, middle)
    return high


def tango(fixed: int, broken: int, n: int, z: float = Z) -> Interval:
    """Score interval of the paired difference (fixed - broken) / n (Tango 1998, Stat. Med. 17:891, eq. 8).

    The limits are the differences d at which the score statistic, with the probability of a broken
    pair re-estimated under d, equals z and -z. The statistic falls in d, so bisection finds both.
    (-1, 1) where n is 0.
    """
    if n == 0:
        return Interval(-1.0, 1.0)
    low = -1.0 if broken == n else _crossing(fixed, broken, n, z)
    high = 1.0 if fixed == n else -_crossing(broken, fixed, n, z)
    return Interval(low, high)


def _crossing(fixed: int, broken: int, n: int, z: float) -> float:
    """The difference below the estimate at which the score statistic equals z."""
    low, high = -1.0, (fixed - broken) / n
    for _ in range(100):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if _score_above(fixed, broken, n, middle, z):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _score_above(fixed: int, broken: int, n: int, d: float, z: float) -> bool:
    """Whether Tango's statistic at difference d lies above z."""
    # The likeliest share q of broken pairs given d: root of 2n q^2 + linear q - broken d (1 - d) = 0.
    linear = (2 * n - fixed + broken) * d - fixed - broken
    root = linear * linear + 8 * n * broken * d * (1 - d)
    share = (math.sqrt(max(root, 0.0)) - linear) / (4 * n)
    variance = n * (2 * share + d * (1 - d))
    return fixed - broken - n * d > z * math.sqrt(max(variance, 0.0))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for being several (Holm 1979, Scand. J. Statist. 6:65), in the order given."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def moved_by_flips(flips: int, n: int) -> float:
    """How far flips by chance alone may move a difference of n questions: 95 % of a sum of random signs."""
    return Z * math.sqrt(flips) / n
