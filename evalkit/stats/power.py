"""The chance that a comparison shows a difference, under the rule that its verdict really uses.

A verdict needs both: the exact test below 5 % and an interval without 0. With one completion a
question all of it follows from the share of questions that change: given D changed ones, each is
fixed with probability (1 + difference / share) / 2, and Tango's interval excludes 0 where
(fixed - broken) / sqrt(D) exceeds 1.96 (his score at 0 is McNemar's). So the power is a sum over D.
Above 5,000 changed questions the normal tail with continuity correction stands for the binomial one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.pairs import POWER, Z, mcnemar_exact

EXACT_UP_TO = 5_000
LARGEST = 100_000_000
"""Questions; where more are needed none is named."""
_NORMAL = NormalDist()


@cache
def fixed_needed(changed: int) -> int:
    """The fewest fixed questions of so many changed ones that give the verdict "better"; one more than
    there are where none do.
    """
    for fixed in range(int((changed + Z * math.sqrt(changed)) / 2), changed + 1):
        lead = 2 * fixed - changed
        if lead > Z * math.sqrt(changed) and mcnemar_exact(fixed, changed - fixed) < 0.05:
            return fixed
    return changed + 1


def verdict_power(difference: float, changing: float, n: int) -> float:
    """The chance of the verdict "better" with n questions, of which a share `changing` changes.

    Both are shares; `changing` is raised to the difference where it is smaller.
    """
    changing = min(1.0, max(changing, difference))
    if n == 0 or changing <= 0:
        return 0.0
    mean, sd = n * changing, math.sqrt(n * changing * (1 - changing))
    numbers = np.arange(max(0, math.floor(mean - 4.5 * sd)), min(n, math.ceil(mean + 4.5 * sd)) + 1)
    if len(numbers) > 250:  # every so many stands for those around it
        numbers = np.unique(np.linspace(numbers[0], numbers[-1], 250).astype(np.int64))
    weights = _binomial(numbers, n, changing)
    chance = (1 + difference / changing) / 2
    return float(weights @ np.array(_shown(numbers.tolist(), chance)) / weights.sum())


def _shown(numbers: Sequence[int], chance: float) -> list[float]:
    """For each number of changed questions the chance that as many are fixed as a verdict needs.

    The numbers rise. A tail follows from the one before: one more trial adds chance * P(fixed = needed - 1).
    """
    if chance >= 1:
        return [float(fixed_needed(changed) <= changed) for changed in numbers]
    if not numbers or numbers[0] > EXACT_UP_TO:
        return [_normal_tail(changed, chance) for changed in numbers]
    log_p, log_q = math.log(chance), math.log1p(-chance)

    def mass(fixed: int) -> float:
        if not 0 <= fixed <= trials:
            return 0.0
        ways = math.lgamma(trials + 1) - math.lgamma(fixed + 1) - math.lgamma(trials - fixed + 1)
        return math.exp(ways + fixed * log_p + (trials - fixed) * log_q)

    trials, needed = numbers[0], fixed_needed(numbers[0])
    tail = float(_binomial(np.arange(needed, trials + 1), trials, chance).sum())
    shown = []
    for changed in numbers:
        if changed > EXACT_UP_TO:
            shown.append(_normal_tail(changed, chance))
            continue
        while trials < changed:
            tail += chance * mass(needed - 1)
            trials += 1
        for fixed in range(needed, fixed_needed(changed)):
            tail -= mass(fixed)
        for fixed in range(fixed_needed(changed), needed):
            tail += mass(fixed)
        needed = fixed_needed(changed)
        shown.append(tail)
    return shown


def _normal_tail(changed: int, chance: float) -> float:
    needed = (changed + Z * math.sqrt(changed)) / 2
    spread = math.sqrt(changed * chance * (1 - chance))
    if spread == 0:
        return 1.0
    return 1 - _NORMAL.cdf((math.ceil(needed) + 0.5 - changed * chance) / spread)


def _binomial(k: NDArray[np.integer[Any]], n: int, chance: float) -> NDArray[np.float64]:
    """Binomial probabilities of k of n."""
    if chance >= 1:  # where the difference is all of the change
        return np.where(k == n, 1.0, 0.0)
    terms = _log_factorial(n) - _log_factorial(k) - _log_factorial(n - k)
    probabilities: NDArray[np.float64] = np.exp(terms + k * math.log(chance) + (n - k) * math.log1p(-chance))
    return probabilities


_TABLE = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, 1 << 13)))])


def _log_factorial(k: Any) -> NDArray[np.float64]:
    """From a table, or Stirling's series, whose error there is below 1e-20."""
    k = np.asarray(k)
    if k.max(initial=0) < len(_TABLE):
        return np.asarray(_TABLE[k])
    x = k + 1.0
    series = (x - 0.5) * np.log(x) - x + 0.5 * math.log(2 * math.pi) + 1 / (12 * x) - 1 / (360 * x**3)
    return np.where(k < len(_TABLE), _TABLE[np.minimum(k, len(_TABLE) - 1)], series)


def questions_needed(difference: float, changing: float, power: float = POWER) -> int | None:
    """The fewest questions that show the difference with this power; None where `LARGEST` do not."""
    low, high = 1, 16
    while verdict_power(difference, changing, high) < power:
        low, high = high, 2 * high
        if high > LARGEST:
            return None
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if verdict_power(difference, changing, middle) >= power else (middle, high)
    return high


def detectable(changed: int, n: int, power: float = POWER) -> float:
    """The smallest difference that n questions show with this power, where `changed` of them changed.

    1.0 where no difference is: the fewest questions that can give a verdict are 6, all of them fixed.
    """
    if n == 0 or verdict_power(1.0, 1.0, n) < power:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (low, middle) if verdict_power(middle, changed / n, n) >= power else (middle, high)
    return high
