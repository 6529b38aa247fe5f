"""Shapley values: how a difference is shared among the things that differ (Shapley 1953, "A value for
n-person games"): each one's mean effect over all orders in which they could be changed one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

Value = Callable[[frozenset[str]], NDArray[np.float64]]


def shapley(players: Sequence[str], value: Value) -> dict[str, NDArray[np.float64]]:
    """The share of each player of `value` of all less that of none; `value` is asked once a subset.

    Values are arrays (one entry a question), and so are the shares: they sum to the difference exactly.
    """
    k = len(players)
    subsets = [frozenset(chosen) for size in range(k + 1) for chosen in combinations(players, size)]
    values = {subset: value(subset) for subset in subsets}
    shares = {player: np.zeros_like(values[frozenset()]) for player in players}
    for subset in subsets:
        size = len(subset)
        for player in players:
            if player not in subset:
                weight = factorial(size) * factorial(k - size - 1) / factorial(k)
                shares[player] += weight * (values[subset | {player}] - values[subset])
    return shares
