"""The test that may be looked at after every chunk: against scipy, by counting all orders, and end to end.

How large and how wrong its decisions are is simulated by `make simulate` (docs/decide.md).
"""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from evalkit.stats.sequential import (
    boundary,
    critical,
    crossing,
    decide,
    default_chunk,
    equal_capital,
    interval,
    log_capitals,
    looks,
)

SIGNS = np.array([1.0, -1.0])


@pytest.mark.parametrize(("fixed", "broken"), [(0, 0), (1, 0), (5, 0), (30, 10), (223, 103), (5000, 4700)])
def test_at_no_difference_capital_is_the_beta_binomial_mixture(fixed: int, broken: int) -> None:
    n = fixed + broken
    expected = betabinom.logpmf(fixed, n, 3, 3) - binom.logpmf(fixed, n, 0.5)
    assert log_capitals(SIGNS, np.array([[fixed, broken]]), 0.0)[0] == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("m", [-0.9, -0.2, 0.0, 0.05, 0.6])
def test_capital_is_a_fair_game_at_the_true_mean(m: float) -> None:
    """Its mean over all outcomes of six questions is 1, whatever the chance of a tie."""
    values = np.array([1.0, 0.0, -1.0])
    tie = 0.3 * (1 - abs(m))
    chances = np.array([(1 - tie + m) / 2, tie, (1 - tie - m) / 2])
    mean = 0.0
    for outcome in product(range(3), repeat=6):
        counts = np.bincount(outcome, minlength=3)
        mean += math.exp(log_capitals(values, counts[None, :], m)[0]) * math.prod(chances[list(outcome)])
    assert mean == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("n", [8, 14])
def test_crossing_is_the_share_of_all_sequences_that_reach_the_bound(n: int) -> None:
    bound = math.log(4)
    leads = boundary(n, bound)
    hits = 0
    for signs in product((1, -1), repeat=n):
        lead = np.abs(np.cumsum(signs))
        hits += bool((lead >= leads[1:]).any())
    assert crossing(n, bound) == pytest.approx(hits / 2**n, abs=1e-12)
    for changed in range(1, n + 1):
        for lead in range(changed % 2, changed + 1, 2):
            counts = np.array([[(changed + lead) // 2, (changed - lead) // 2]])
            assert (log_capitals(SIGNS, counts, 0.0)[0] >= bound) == (lead >= leads[changed])


@pytest.mark.parametrize("n", [30, 200, 1319])
@pytest.mark.parametrize("alpha", [0.05, 0.0025])
def test_the_bound_is_kept_within_n_questions_and_is_below_villes(n: int, alpha: float) -> None:
    bound = critical(n, alpha)
    assert crossing(n, bound) <= alpha
    assert math.log(1 / alpha) - 2.5 < bound <= math.log(1 / alpha)
    assert crossing(n // 3, bound) <= crossing(n, bound)  # fewer changed questions err less often


def test_equal_capital_is_at_most_1_on_the_average_over_all_orders() -> None:
    """A population whose mean is the margin exactly, in every order, looked at after 2, 3 and 7."""
    population = (1.0, 1.0, 0.0, 0.0, 0.0, -1.0, -1.0 / 2)
    margin = sum(population) / len(population)
    values = np.unique(population)
    means = np.zeros(3)
    orders = sorted(set(permutations(population)))
    for order in orders:
        parts = (order[:2], order[2:3], order[3:7])
        per_look = np.array([[part.count(v) for v in values] for part in parts])
        upper = equal_capital(values, per_look, len(population), margin)
        assert (upper < math.log(1e6)).all()
        means += np.exp(upper) / len(orders)
    assert (means <= 1 + 1e-9).all()


def test_equal_capital_one_by_one_is_the_product_with_the_mean_of_the_rest() -> None:
    """The martingale of sampling without replacement, written out for each bet."""
    from evalkit.stats.sequential import _LOG_PRIOR, _SIZES

    d = np.array([0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0])
    n, margin = 20, 0.3
    values = np.unique(d)
    per_look = (d[:, None] == values).astype(int)
    weights = np.exp(_LOG_PRIOR) / np.exp(_LOG_PRIOR).sum()
    sides = []
    for x in (d, -d):
        capital, asked, total = np.ones_like(weights), 0, 0.0
        for value in x:
            rest = (n * margin - total) / (n - asked)
            capital = capital * (1 - _SIZES / (1 - rest) * (value - rest))
            asked, total = asked + 1, total + value
        sides.append(float(weights @ capital))
    assert math.exp(equal_capital(values, per_look, n, margin)[-1]) == pytest.approx(min(sides), rel=1e-9)


def test_what_the_rest_cannot_make_up_for_is_equal_for_certain() -> None:
    d = np.zeros(100)
    found = decide(d, 100, 10, 0.205)
    assert found.verdict == "equal" and found.asked <= 80
    assert decide(np.zeros(100), 100, 100, 0.01).verdict == "equal"


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), max_size=60), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_decisions_are_total_and_mirror(differences: list[float], chunk: int) -> None:
    d = np.array(differences)
    found, mirrored = decide(d, 60, chunk, 0.01), decide(-d, 60, chunk, 0.01)
    opposite = {"better": "worse", "worse": "better"}
    assert mirrored.verdict == opposite.get(found.verdict, found.verdict)
    assert mirrored.asked == found.asked and mirrored.delta == -found.delta
    assert mirrored.ci.low == pytest.approx(-found.ci.high, abs=2e-6)
    assert found.ci.low <= found.delta <= found.ci.high
    if found.verdict == "better":
        assert found.ci.low > -1e-5
    # what came later does not change a decision, and a part of a chunk is not looked at
    assert decide(d[: found.asked], 60, chunk, 0.01) == found


def test_the_interval_excludes_0_where_the_test_decides() -> None:
    n = 1319
    for fixed in range(20, 60):
        counts = np.array([fixed, 15, 100])
        values = np.array([1.0, -1.0, 0.0])
        decided = log_capitals(values, counts[None, :], 0.0)[0] >= critical(n)
        assert (interval(values, counts, n).low > 0) == decided


def test_looks() -> None:
    assert looks(60, 25) == [25, 50, 60] and looks(50, 25) == [25, 50] and looks(0, 25) == []
    assert default_chunk(1319) == 25 and default_chunk(1_000_000) == 10_000


def test_a_million_rows_are_decided() -> None:
    d = np.random.default_rng(0).choice([1.0, 0.0, -1.0], 1_000_000, p=[0.1, 0.8, 0.1])
    assert decide(d, len(d), default_chunk(len(d)), 0.01).verdict == "equal"


def test_swapped_labels_are_rarely_called_a_difference() -> None:
    rng = np.random.default_rng(7)
    d = np.array([1.0] * 50 + [0.0] * 150)
    false = sum(
        decide(rng.permutation(d) * rng.choice([-1.0, 1.0], 200), 200, 25, 0.001).verdict
        in ("better", "worse")
        for _ in range(1000)
    )
    assert false <= 50
