"""How often the paired interval holds the true difference, in 10,000 simulated pairs of runs.

    pytest -m slow tests/evalkit/stats/test_coverage.py
    python tests/evalkit/stats/test_coverage.py     # prints the table in docs/diff.md

Two runs of accuracy `base` and `base + difference` whose answers to a question have correlation
`phi`. 94 to 96 % are asked for where at least 8 discordant pairs are expected, at least 94 % below.
A simulated share has a standard error of 0.2 points; at n = 100 all tables can be counted, so there
the exact coverage is held to the limits, and the simulation to the exact coverage.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from evalkit.compare.diff import FEW_DISCORDANT
from evalkit.stats.pairs import tango

DRAWS = 10_000


class Scene(NamedTuple):
    n: int
    base: float
    difference: float
    phi: float

    def fixed_broken(self) -> tuple[float, float]:
        """Chance of a question to be fixed, and to be broken."""
        a, b = self.base, self.base + self.difference
        both = a * b + self.phi * math.sqrt(a * (1 - a) * b * (1 - b))
        return b - both, a - both

    @property
    def discordant(self) -> float:
        return self.n * sum(self.fixed_broken())


def scenes(n: int) -> Iterator[Scene]:
    for base, sign in ((0.02, 1), (0.50, 1), (0.98, -1)):
        for difference in (0.0, 0.01, 0.05, 0.10):
            for phi in (0.0, 0.3, 0.6, 0.8):
                scene = Scene(n, base, sign * difference, phi)
                if min(scene.fixed_broken()) >= 0:
                    yield scene


interval = cache(tango)


def holds(scene: Scene, tables: NDArray[np.int64]) -> NDArray[np.bool_]:
    limits = [interval(int(fixed), int(broken), scene.n) for fixed, broken in tables]
    return np.array([i.low <= scene.difference <= i.high for i in limits])


def simulated(scene: Scene, draws: int = DRAWS, seed: int = 1998) -> float:
    fixed, broken = scene.fixed_broken()
    tables = np.random.default_rng(seed).multinomial(scene.n, [fixed, broken, 1 - fixed - broken], size=draws)
    distinct, times = np.unique(tables[:, :2], axis=0, return_counts=True)
    return float(times[holds(scene, distinct)].sum()) / draws


def exact(scene: Scene) -> float:
    """The chance of a table whose interval holds the difference, summed over all tables."""
    fixed, broken = scene.fixed_broken()
    tables = np.array([(f, b) for f in range(scene.n + 1) for b in range(scene.n + 1 - f)])
    cells = np.column_stack([tables, scene.n - tables.sum(axis=1)])
    return float(
        stats.multinomial.pmf(cells, scene.n, [fixed, broken, 1 - fixed - broken])[holds(scene, tables)].sum()
    )


def check(scene: Scene, share: float) -> None:
    assert share >= 0.94
    if scene.discordant >= FEW_DISCORDANT:
        assert share <= 0.96


@pytest.mark.slow
@pytest.mark.parametrize("scene", scenes(100), ids=str)
def test_coverage_of_a_hundred_questions(scene: Scene) -> None:
    share = exact(scene)
    check(scene, share)
    assert simulated(scene) == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / DRAWS))


@pytest.mark.slow
@pytest.mark.parametrize("scene", scenes(1319), ids=str)
def test_coverage_of_gsm8k(scene: Scene) -> None:
    check(scene, simulated(scene))


if __name__ == "__main__":
    print("| n | base | new | correlation | discordant pairs expected | simulated | exact |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for scene in (*scenes(100), *scenes(1319)):
        few = " (few)" if scene.discordant < FEW_DISCORDANT else ""
        cells = (scene.n, f"{scene.base:.0%}", f"{scene.base + scene.difference:.0%}", scene.phi)
        shares = (f"{simulated(scene):.1%}", f"{exact(scene):.1%}" if scene.n == 100 else "")
        print("|", " | ".join(map(str, (*cells, f"{scene.discordant:.1f}{few}", *shares))), "|")
