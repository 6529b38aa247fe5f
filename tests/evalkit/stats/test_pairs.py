"""Every statistic against scipy, statsmodels, published figures or a derivation of its own.

pytest tests/evalkit/stats/test_pairs.py
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from evalkit.stats.pairs import (
    Z,
    holm,
    mcnemar_exact,
    student_p,
    student_z,
    tango,
    wilson,
)
from evalkit.stats.samples import (
    around,
    clustered_se,
    majority,
    mean_se,
    paired_bootstrap,
    paired_p,
    pass_at_k,
)

counts = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
pairs = st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(0, 1500)).filter(any)


@given(counts)
def test_wilson_agrees_with_statsmodels(kn: tuple[int, int]) -> None:
    k, n = kn
    assert wilson(k, n).as_list() == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-9)


def test_wilson_of_nothing_is_everything() -> None:
    assert wilson(0, 0).as_list() == [0.0, 1.0]


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_mcnemar_agrees_with_statsmodels_and_scipy(fixed: int, broken: int) -> None:
    expected = mcnemar([[5, broken], [fixed, 7]], exact=True).pvalue if fixed + broken else 1.0
    assert mcnemar_exact(fixed, broken) == pytest.approx(expected, abs=1e-9)
    if fixed + broken:
        assert mcnemar_exact(fixed, broken) == pytest.approx(
            stats.binomtest(fixed, fixed + broken).pvalue, rel=1e-9, abs=1e-300
        )


def test_mcnemar_of_a_million_pairs() -> None:
    assert mcnemar_exact(250_400, 249_600) == pytest.approx(
        stats.binomtest(249_600, 500_000).pvalue, abs=1e-9
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_agrees_with_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-9)


@given(st.floats(-60, 60), st.integers(1, 10_000))
def test_students_t_agrees_with_scipy(t: float, df: int) -> None:
    assert student_p(t, df) == pytest.approx(2 * stats.t.sf(abs(t), df), abs=1e-9)


@given(st.integers(1, 10_000))
def test_students_limit_agrees_with_scipy(df: int) -> None:
    assert student_z(df) == pytest.approx(stats.t.ppf(0.975, df), abs=1e-9)


def test_many_degrees_of_freedom_are_normal() -> None:
    assert student_p(1.5, 10**6) == pytest.approx(2 * stats.t.sf(1.5, 10**6), abs=1e-4)
    assert student_z(10**6) == pytest.approx(Z, abs=1e-9)
    assert (student_p(3.0, 0), student_z(0)) == (1.0, math.inf)


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=2, max_size=60))
def test_paired_p_agrees_with_scipy_down_to_its_floor(values: list[float]) -> None:
    differences = np.array(values)
    changed = np.count_nonzero(differences)
    if changed == 0:
        expected = 1.0
    elif differences.std() == 0:
        expected = 2.0 ** (1 - changed)
    else:
        expected = max(stats.ttest_1samp(differences, 0).pvalue, 2.0 ** (1 - changed))
    assert paired_p(differences) == pytest.approx(expected, abs=1e-9)


def test_one_question_shows_nothing() -> None:
    assert paired_p(np.array([1.0])) == 1.0
    assert around(1.0, 0.0, 1, -1, 1).as_list() == [-1, 1]


# Fagerland, Lydersen, Laake 2014 (Stat. Med. 33:2850), table V, airway reactivity: 1, 1, 7, 12 pairs.
# R package PropCIs 0.3-0, scoreci.mp(25, 28, 618, conf.level=0.90), which takes broken before fixed.
PUBLISHED = [
    (1, 7, 21, 0.95, -0.517, -0.026, 3),
    (28, 25, 618, 0.90, -0.0148, 0.0247, 4),
]


@pytest.mark.parametrize(("fixed", "broken", "n", "level", "low", "high", "digits"), PUBLISHED)
def test_tango_agrees_with_published_tables(
    fixed: int, broken: int, n: int, level: float, low: float, high: float, digits: int
) -> None:
    interval = tango(fixed, broken, n, float(stats.norm.ppf((1 + level) / 2)))
    assert [round(limit, digits) for limit in interval.as_list()] == [low, high]


def tango_by_likelihood(fixed: int, broken: int, n: int, d: float) -> float:
    """Tango's statistic with the constrained estimate found by maximising the likelihood itself."""

    def minus_log_likelihood(q: float) -> float:
        cells = ((broken, q), (fixed, q + d), (n - fixed - broken, 1 - 2 * q - d))
        return -sum(k * math.log(max(p, 1e-300)) for k, p in cells if k)

    bounds = (max(0.0, -d), (1 - d) / 2)
    found = optimize.minimize_scalar(
        minus_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12}
    )
    q = min((found.x, *bounds), key=minus_log_likelihood)
    return (fixed - broken - n * d) / math.sqrt(n * (2 * q + d * (1 - d)))


@settings(max_examples=50)
@given(pairs)
def test_tango_limits_solve_the_score_equation(table: tuple[int, int, int]) -> None:
    fixed, broken, same = table
    n = fixed + broken + same
    interval = tango(fixed, broken, n)
    if broken < n:
        assert tango_by_likelihood(fixed, broken, n, interval.low) == pytest.approx(Z, abs=1e-4)
    if fixed < n:
        assert tango_by_likelihood(fixed, broken, n, interval.high) == pytest.approx(-Z, abs=1e-4)


@given(pairs)
def test_tango_mirrors_and_holds_its_estimate(table: tuple[int, int, int]) -> None:
    fixed, broken, same = table
    n = fixed + broken + same
    interval, mirrored = tango(fixed, broken, n), tango(broken, fixed, n)
    assert interval.as_list() == [-mirrored.high, -mirrored.low]
    assert -1 <= interval.low <= (fixed - broken) / n <= interval.high <= 1


def test_tango_of_nothing_is_everything() -> None:
    assert tango(0, 0, 0).as_list() == [-1.0, 1.0]


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=8), min_size=2, max_size=30))
def test_clustered_errors_agree_with_statsmodels(questions: list[list[bool]]) -> None:
    question = np.repeat(np.arange(len(questions)), [len(q) for q in questions])
    values = np.array([float(v) for q in questions for v in q])
    fit = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": question})
    # statsmodels multiplies by (N - 1) / (N - 1) G / (G - 1): with one regressor the first factor is 1.
    assert clustered_se(values, question) == pytest.approx(float(fit.bse[0]), abs=1e-9)


def test_clustered_errors_are_those_of_the_means_where_all_have_as_many_samples() -> None:
    values = np.random.default_rng(3).integers(0, 2, (200, 4)).astype(float)
    assert clustered_se(values.ravel(), np.repeat(np.arange(200), 4)) == pytest.approx(
        mean_se(values.mean(axis=1))
    )
    assert mean_se(values.mean(axis=1)) == pytest.approx(stats.sem(values.mean(axis=1)), abs=1e-12)


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_hit(samples: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(samples)))
    subsets = [any(chosen) for chosen in combinations(samples, k)]
    value = pass_at_k(np.array([len(samples)]), np.array([sum(samples)]), k)
    assert value[0] == pytest.approx(sum(subsets) / len(subsets), abs=1e-12)


def vote(answers: list[tuple[int, bool]]) -> float:
    question = np.zeros(len(answers), dtype=np.int64)
    return float(
        majority(question, np.array([a for a, _ in answers]), np.array([c for _, c in answers]), 1)[0]
    )


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(7, True), (7, True), (3, False)], 1.0),
        ([(3, False), (3, False), (7, True)], 0.0),
        ([(3, False), (7, True)], 0.5),
        ([(7, True), (8, True), (3, False)], 1.0),  # right answers written differently vote as one
        ([(-1, False), (-1, False), (7, True)], 1.0),  # no answer is no vote
        ([(-1, False)], 0.0),
    ],
)
def test_majority(answers: list[tuple[int, bool]], expected: float) -> None:
    assert vote(answers) == expected


def test_paired_bootstrap_agrees_with_scipy() -> None:
    rng = np.random.default_rng(7)
    first = rng.choice([-1.0, 0.0, 1.0], size=400, p=[0.1, 0.7, 0.2])
    second = rng.choice([-1.0, 0.0, 1.0], size=400, p=[0.05, 0.9, 0.05])
    for ours, values in zip(paired_bootstrap(first, second), (first, second), strict=True):
        theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=9999, rng=1)
        assert ours.as_list() == pytest.approx(list(theirs.confidence_interval), abs=0.003)


def test_paired_bootstrap_is_repeatable_and_order_does_not_matter() -> None:
    values = np.random.default_rng(5).normal(size=50)
    order = np.random.default_rng(6).permutation(50)
    assert paired_bootstrap(values, -values) == paired_bootstrap(values[order], -values[order])


def test_paired_bootstrap_of_no_difference_is_zero() -> None:
    low, high = paired_bootstrap(np.zeros(9), np.zeros(9))
    assert low.as_list() == high.as_list() == [0.0, 0.0]
