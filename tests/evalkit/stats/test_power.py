"""Power of the rule that the verdict uses: against scipy's binomial, and against the verdict itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from evalkit.stats.pairs import Z_POWER, Z, mcnemar_exact, tango
from evalkit.stats.power import detectable, fixed_needed, questions_needed, verdict_power


def connor(changed: int, n: int) -> float:
    """The difference at which McNemar's test alone has 80 % power (Connor 1987, Biometrics 43:207)."""
    root = n * Z * Z - (n + Z_POWER**2) * (Z**2 - Z_POWER**2)
    s = (math.sqrt(n) * Z + math.sqrt(root)) / (n + Z_POWER**2)
    return s * max(math.sqrt(changed / n), s)


def says_better(fixed: int, broken: int, n: int) -> bool:
    return tango(fixed, broken, n).low > 0 and mcnemar_exact(fixed, broken) < 0.05


@pytest.mark.parametrize("changed", [*range(1, 60), 199, 200, 326])
def test_fixed_needed_is_where_interval_and_test_agree(changed: int) -> None:
    needed = fixed_needed(changed)
    n = 2 * changed
    assert needed == changed + 1 or says_better(needed, changed - needed, n)
    assert not says_better(needed - 1, changed - needed + 1, n)


@pytest.mark.parametrize(
    ("n", "changing", "difference"), [(300, 0.2, 0.07), (1319, 0.25, 0.04), (40, 0.5, 0.3)]
)
def test_power_is_the_sum_over_all_tables(n: int, changing: float, difference: float) -> None:
    expected = 0.0
    for changed in range(n + 1):
        least = fixed_needed(changed)
        chance = (1 + difference / changing) / 2
        expected += binom.pmf(changed, n, changing) * binom.sf(least - 1, changed, chance)
    assert verdict_power(difference, changing, n) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(("changed", "n"), [(58, 300), (326, 1319), (0, 1319), (5, 20), (250_000, 1_000_000)])
def test_detectable_has_80_percent_power_and_connors_less(changed: int, n: int) -> None:
    least = detectable(changed, n)
    assert verdict_power(least, changed / n, n) == pytest.approx(0.80, abs=0.01)
    assert least > connor(changed, n) or n == 1_000_000
    assert verdict_power(connor(changed, n), changed / n, n) < 0.801


def test_simulated_verdicts_come_as_often_as_said() -> None:
    n = questions_needed(0.05, 0.25)
    assert n is not None and 780 < n < 860
    tables = np.random.default_rng(0).multinomial(n, [0.15, 0.10, 0.75], 4000)
    assert np.mean([says_better(int(f), int(b), n) for f, b, _ in tables]) == pytest.approx(0.80, abs=0.02)


def test_few_questions_show_nothing() -> None:
    assert detectable(0, 0) == detectable(3, 5) == 1.0
    assert questions_needed(1e-6, 0.25) is None
    assert verdict_power(0.0, 0.0, 100) == 0.0
