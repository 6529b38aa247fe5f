"""Shapley values: against the mean over all orders, and the laws that define them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.stats.shapley import shapley


def game(players: str, seed: int) -> dict[frozenset[str], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return {
        frozenset(p for i, p in enumerate(players) if bits >> i & 1): rng.normal(size=3)
        for bits in range(2 ** len(players))
    }


@pytest.mark.parametrize("players", ["", "a", "ab", "abcd"])
def test_shares_are_the_mean_over_all_orders_and_sum_to_the_difference(players: str) -> None:
    values = game(players, len(players))
    shares = shapley(list(players), values.__getitem__)
    for player in players:
        effects = []
        for order in permutations(players):
            before = frozenset(order[: order.index(player)])
            effects.append(values[before | {player}] - values[before])
        assert shares[player] == pytest.approx(np.mean(effects, axis=0))
    total = values[frozenset(players)] - values[frozenset()]
    assert sum(shares.values(), np.zeros(3)) == pytest.approx(total)


def test_a_player_that_does_nothing_gets_nothing_and_equal_ones_share_alike() -> None:
    shares = shapley(["a", "b", "idle"], lambda s: np.array([float(len(s - {"idle"}) == 2)]))
    assert shares["a"] == shares["b"] == pytest.approx([0.5]) and shares["idle"] == [0.0]
