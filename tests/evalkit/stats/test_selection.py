"""The interval of the best of several; its coverage is simulated by `make simulate`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from evalkit.stats.pairs import Z
from evalkit.stats.selection import chosen_z


def test_one_run_has_the_ordinary_interval() -> None:
    assert chosen_z(np.ones((1, 50))) == Z and chosen_z(np.ones((4, 1))) == Z


@pytest.mark.parametrize("k", [2, 5, 20])
def test_independent_runs_give_sidaks_quantile(k: int) -> None:
    values = np.random.default_rng(k).normal(size=(k, 4000))
    assert chosen_z(values) == pytest.approx(norm.ppf(0.975 ** (1 / k)), abs=0.06)


def test_equal_runs_cost_nothing_and_few_questions_cost_student() -> None:
    row = np.random.default_rng(0).normal(size=1000)
    assert chosen_z(np.stack([row] * 10)) == pytest.approx(Z, abs=0.06)
    assert chosen_z(np.stack([row[:10]] * 2)) == pytest.approx(student.ppf(0.975, 9), abs=0.12)


def test_runs_that_never_differ_are_no_problem() -> None:
    values = np.zeros((3, 100))
    assert chosen_z(values) == Z
    values[1, ::2] = 1
    assert np.isfinite(chosen_z(values))
