"""The best of several: how far its estimate may be flattered by having been chosen.

The estimate of the largest of k is biased upward, so that the lower end of its ordinary interval lies
too high. The upper end does not: for the chosen one to lie above it, the truly best must have been
estimated too low by as much (Benjamini, Hechtlinger and Stark 2019, arXiv 1906.00505, study this
selection). So only the lower end moves: it takes the quantile of the largest of the k standardised
errors, which are correlated since all runs answer the same questions (the multiplier form of the
bootstrap over questions).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.pairs import CONFIDENCE, Z
from evalkit.stats.samples import BOOTSTRAP_DRAWS, BOOTSTRAP_SEED


def chosen_z(values: NDArray[np.floating[Any]]) -> float:
    """How many standard errors the lower end of a 95 % interval lies below the mean of the line of
    `values` (runs by questions) whose mean was chosen as the largest. Never less than 1.96.

    Student's spread stands for the normal one where questions are few. The seed is fixed.
    """
    runs, questions = values.shape
    if runs < 2 or questions < 2:
        return Z
    centred = values - values.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, ddof=1)
    scaled = centred / np.where(spread > 0, spread, 1.0)[:, None]
    correlation = scaled @ scaled.T / (questions - 1)
    eigenvalues, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    errors = generator.standard_normal((BOOTSTRAP_DRAWS, runs)) @ root.T
    errors /= np.sqrt(generator.chisquare(questions - 1, BOOTSTRAP_DRAWS) / (questions - 1))[:, None]
    quantile = float(np.quantile(errors.max(axis=1), 0.5 + CONFIDENCE / 2))
    return max(Z, round(quantile, 6))  # further digits are noise of the draws, and depend on the processor
