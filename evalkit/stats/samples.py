"""Several samples a question: mean@n with clustered errors, pass@k, maj@k; and the paired bootstrap.

A "question" array holds, for each completion, the number of its question: 0, 1, 2, ... ascending.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.pairs import CONFIDENCE, Interval, student_p, student_z

BOOTSTRAP_DRAWS = 10_000
BOOTSTRAP_SEED = 20_240


def clustered_se(values: NDArray[np.float64], question: NDArray[np.integer[Any]]) -> float:
    """Standard error of the mean, completions of one question being dependent (Miller 2024,
    arXiv 2411.00640, eq. 4), with the usual factor G / (G - 1) for G questions, as in statsmodels.

    0.0 where there are fewer than two questions.
    """
    groups = int(question.max()) + 1 if len(question) else 0
    if groups < 2:
        return 0.0
    residuals = np.bincount(question, weights=values - values.mean(), minlength=groups)
    return math.sqrt(float(residuals @ residuals) * groups / (groups - 1)) / len(values)


def mean_se(values: NDArray[np.float64]) -> float:
    """Standard error of the mean of independent values (one a question); 0.0 for fewer than two."""
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def around(value: float, se: float, n: int, low: float, high: float) -> Interval:
    """Student's interval of an estimate over n independent questions, cut to what is possible."""
    if n < 2:
        return Interval(low, high)
    half = student_z(n - 1) * se
    return Interval(max(low, value - half), min(high, value + half))


def paired_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p of the mean of paired differences, one a question: Student's t (Student 1908).

    Never below 2^(1 - m), what an exact sign test gives where all m questions that changed went one
    way: a handful of questions with equal differences has no spread, and proves little.
    """
    changed = int(np.count_nonzero(differences))
    if changed == 0:
        return 1.0
    se = mean_se(differences)
    p_value = student_p(float(differences.mean()) / se, len(differences) - 1) if se > 0 else 0.0
    return max(p_value, 2.0 ** (1 - changed))


def pass_at_k(n: NDArray[np.integer[Any]], c: NDArray[np.integer[Any]], k: int) -> NDArray[np.float64]:
    """Chance that one of k samples is right, unbiased, for each question with c of n right.

    1 - C(n-c, k) / C(n, k) as a product (Chen et al. 2021, arXiv 2107.03374, eq. 1). Needs k <= n.
    """
    n, c = np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64)
    missed = np.ones(len(n))
    for i in range(k):
        missed *= np.clip(n - c - i, 0, None) / (n - i)
    return 1 - missed


def majority(
    question: NDArray[np.integer[Any]],
    answer: NDArray[np.integer[Any]],
    correct: NDArray[np.bool_],
    questions: int,
) -> NDArray[np.float64]:
    """Whether the most frequent answer of each question is right (self-consistency, Wang et al. 2022,
    arXiv 2203.11171, sect. 2).

    Completions without an answer (-1) have no vote; all right ones vote as one, however written.
    Among answers with equally many votes one is drawn: the value is its chance of being right. 0
    where nobody votes.
    """
    voting = correct | (answer >= 0)
    question, correct = question[voting], correct[voting]
    ballot = np.where(correct, 0, answer[voting].astype(np.int64) + 1)
    width = int(ballot.max(initial=0)) + 1
    key, votes = np.unique(question * width + ballot, return_counts=True)
    of, right = key // width, key % width == 0
    most = np.zeros(questions, dtype=np.int64)
    np.maximum.at(most, of, votes)
    leading = votes == most[of]
    leaders = np.bincount(of[leading], minlength=questions)
    won = np.bincount(of[leading & right], minlength=questions)
    return np.divide(won, leaders, out=np.zeros(questions), where=leaders > 0)


def paired_bootstrap(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[Interval, Interval]:
    """Percentile intervals of the means of two values that each question has (Efron 1979, Ann. Statist. 7:1).

    Questions with the same pair of values are interchangeable, so a draw of n questions is one
    multinomial draw of how often each distinct pair comes up: exact, and fast for any n. The seed is
    fixed, and the distinct pairs are sorted: the same data give the same interval.
    """
    n = len(first)
    if n == 0:
        return Interval(0.0, 0.0), Interval(0.0, 0.0)
    pairs, counts = np.unique(first + 1j * second, return_counts=True)
    draws = np.random.default_rng(BOOTSTRAP_SEED).multinomial(n, counts / n, size=BOOTSTRAP_DRAWS)
    tails = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    low, high = np.quantile(draws @ np.stack([pairs.real, pairs.imag], axis=1) / n, tails, axis=0)
    return Interval(float(low[0]), float(high[0])), Interval(float(low[1]), float(high[1]))
