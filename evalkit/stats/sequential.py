"""A paired test that may be looked at after every chunk of questions: better, worse, equal, or ask more.

Each question gives one difference d, new minus base, from -1 to 1. A gambler bets against "the mean
difference is m": her capital after t questions is the mixture over bets b of

    K_t(m) = prod_i (1 + b (d_i - m)),

a nonnegative martingale that starts at 1 where m is the mean (Waudby-Smith and Ramdas 2024, "Estimating
means of bounded random variables by betting", arXiv 2010.09686, as their package confseq computes it in
`betting_mart`; a mixture over constant bets is the universal portfolio of Orabona and Jun, arXiv
2110.14099). By Ville's inequality it ever reaches 1 / alpha with probability alpha at most, so the m
whose capital stays below form an interval that holds at whatever moment one stops. The mixture is that
of a Beta(3, 3) prior on the chance that a question that changed was fixed: at m = 0 it is the
beta-binomial test of fixed against broken (scipy's betabinom is the witness in the tests).

Questions are finite in number, which is used twice. `critical` takes the bound that is crossed with
probability alpha within n questions, where Ville's allows for infinitely many. "Equal" is said of the
mean over all n questions, which the remaining ones can change less and less (`equal_capital`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.pairs import Interval

ALPHA = 0.05
CHUNK = 25
"""Questions between two looks, unless there are more than 2,500 of them."""
EXACT_UP_TO = 2_500
"""Up to so many questions the bound is computed for that number; above it is Ville's, 1 / alpha."""
EDGE, PRECISION = 1 - 1e-9, 1e-6
RUIN = -1e9
"""Log of the capital of a bet that lost all; finite, so that times a count of 0 it is 0."""
Decided = Literal["better", "worse", "equal", "undecided"]

_EDGES = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 97)])
_SIZES = (_EDGES[1:] + _EDGES[:-1]) / 2


def _beta33(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distribution function of Beta(3, 3)."""
    return share**3 * (10 - 15 * share + 6 * share**2)


_LOG_PRIOR = np.log(np.diff(_beta33((1 + _EDGES) / 2)))
"""Log mass of Beta(3, 3) on bets of each size; both signs have as much."""
_BETS = np.concatenate([_SIZES, -_SIZES])
_BETS_LOG_PRIOR = np.concatenate([_LOG_PRIOR, _LOG_PRIOR])


@dataclass(frozen=True, slots=True)
class Decision:
    """What the questions asked so far show. `asked` counts those up to the look that decided, or all.

    `delta` is their mean difference and `ci` its interval for questions like these, valid at this
    stopping time; both are shares. `capital` is K(0), evidence against "no difference".
    """

    verdict: Decided
    asked: int
    delta: float
    ci: Interval
    capital: float


def default_chunk(n: int) -> int:
    """Questions between two looks: 25, or a hundredth of all."""
    return max(CHUNK, n // 100)


def looks(n: int, chunk: int) -> list[int]:
    """How many questions have been asked at each look; the last is n."""
    return [*range(chunk, n, chunk), n] if n else []


def _log_sum(log_terms: NDArray[np.float64]) -> NDArray[np.float64]:
    highest = log_terms.max(axis=-1, keepdims=True)
    summed: NDArray[np.float64] = np.log(np.exp(log_terms - highest).sum(axis=-1)) + highest[..., 0]
    return summed


def log_capitals(
    values: NDArray[np.float64], counts: NDArray[np.integer[Any]], m: float
) -> NDArray[np.float64]:
    """Log capital against "the mean is m" for each tally, a line of `counts`: how often the differences
    take these values. m lies strictly between -1 and 1.

    A bet is a share of what keeps capital from going below 0: 1 / (1 + m) upwards, 1 / (1 - m) downwards.
    """
    bets = np.where(_BETS > 0, _BETS / (1 + m), _BETS / (1 - m))
    with np.errstate(divide="ignore"):
        gains = np.log(np.maximum(1 + np.outer(values - m, bets), 0.0))
    return _log_sum(counts.astype(np.float64) @ np.maximum(gains, RUIN) + _BETS_LOG_PRIOR)


@cache
def boundary(n: int, log_bound: float) -> NDArray[np.int64]:
    """For each number D of changed questions up to n the lead (fixed less broken) at which capital
    against "no difference" reaches the bound; D + 1 where none does. Entry 0 is for D = 0.
    """
    changed = np.arange(n + 1)
    low, high = np.zeros(n + 1, dtype=np.int64), changed // 2  # half the lead: the lead has D's parity
    signs = np.array([1.0, -1.0])

    def reached(half: NDArray[np.int64]) -> NDArray[np.bool_]:
        lead = 2 * half + changed % 2
        counts = np.stack([(changed + lead) // 2, (changed - lead) // 2], axis=1)
        return log_capitals(signs, counts, 0.0) >= log_bound

    never = ~reached(high)
    while (low < high).any():
        middle = (low + high) // 2
        there = reached(middle)
        low, high = np.where(there | (low == high), low, middle + 1), np.where(there, middle, high)
    return np.where(never, changed + 1, 2 * low + changed % 2)


def crossing(n: int, log_bound: float) -> float:
    """Chance that the bound is ever reached within n changed questions, each fixed or broken by a fair
    coin: exact, by following the distribution of the lead.
    """
    leads = boundary(n, log_bound)
    reach = int(min(leads[n], n)) + 1
    alive = np.zeros(2 * reach + 1)
    alive[reach] = 1.0
    at = np.abs(np.arange(-reach, reach + 1))
    for limit in leads[1:]:
        moved = np.zeros_like(alive)
        moved[1:] += alive[:-1] / 2
        moved[:-1] += alive[1:] / 2
        moved[at >= limit] = 0.0
        alive = moved
    return 1.0 - float(alive.sum())


@cache
def critical(n: int, alpha: float = ALPHA) -> float:
    """Log of the capital that decides: reached with probability `alpha` at most within n questions at
    equal ability, however many of them change. Ville's 1 / alpha above `EXACT_UP_TO` questions.
    """
    low, high = math.log(1 / alpha) - 2.5, math.log(1 / alpha)
    if n > EXACT_UP_TO:
        return high
    for _ in range(9):
        middle = (low + high) / 2
        low, high = (low, middle) if crossing(n, middle) <= alpha else (middle, high)
    return high


def interval(
    values: NDArray[np.float64], counts: NDArray[np.integer[Any]], n: int, alpha: float = ALPHA
) -> Interval:
    """The mean differences that capital does not speak against: for questions like these n, at any
    stopping time. (-1, 1) where nothing was asked.
    """
    asked = int(counts.sum())
    if asked == 0:
        return Interval(-1.0, 1.0)
    bound, mean = critical(n, alpha), float(values @ counts) / asked

    def excluded(m: float) -> bool:
        return float(log_capitals(values, counts[None, :], m)[0]) >= bound

    def edge(outside: float) -> float:
        inside = min(max(mean, -EDGE), EDGE)
        if not excluded(outside * EDGE):
            return outside
        while abs(outside - inside) > PRECISION:
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if excluded(middle) else (middle, outside)
        return outside

    return Interval(edge(-1.0), edge(1.0))


def equal_capital(
    values: NDArray[np.float64], per_look: NDArray[np.integer[Any]], n: int, margin: float
) -> NDArray[np.float64]:
    """Log capital at each look against "over all n questions the difference reaches the margin": the
    smaller of the capitals against +margin and -margin.

    `per_look` counts, for each look, the values among the questions asked since the one before.
    Questions are drawn without replacement: given the sum S of those asked, the rest has the mean
    (n m - S) / (n - asked) (as `betting_mart` of confseq with N given). It is kept at its value at
    the chunk's start: by Maclaurin's inequality (the mean of the products of k of some nonnegative
    numbers is at most the k-th power of their mean) the product over a chunk has a mean of 1 at most
    all the same, so this is a supermartingale over the looks.
    """
    before = np.cumsum(per_look.sum(axis=1)) - per_look.sum(axis=1)
    left = n - before
    found = []
    for mirrored in (values, -values):  # a difference below +margin; mirrored, one above -margin
        gained = per_look @ mirrored
        needed = n * margin - (np.cumsum(gained) - gained)  # what the rest would have to add up to
        rest = np.clip(needed / left, -1 + 1e-12, 1 - 1e-12)
        bets = _SIZES / (1 - rest[:, None])
        with np.errstate(divide="ignore"):
            gains = np.log(np.maximum(1 - (mirrored - rest[:, None])[:, :, None] * bets[:, None, :], 0.0))
        gains = np.einsum("lv,lvb->lb", per_look, np.maximum(gains, RUIN))
        log_capitals = _log_sum(np.cumsum(gains, axis=0) + _LOG_PRIOR - _log_sum(_LOG_PRIOR))
        impossible = needed - gained > left - per_look.sum(axis=1)
        found.append(np.where(np.maximum.accumulate(impossible), math.inf, log_capitals))
    smaller: NDArray[np.float64] = np.minimum(found[0], found[1])
    return smaller


def decide(
    differences: NDArray[np.float64], n: int, chunk: int, margin: float, alpha: float = ALPHA
) -> Decision:
    """Look after every whole chunk of the differences, in the order in which they were asked, of n
    questions in all, and stop at the first look that shows something.

    `margin` is a share: "equal" says that over all n questions the difference is smaller. "undecided"
    where nothing is shown (yet). What was asked beyond the look that decides is not used.
    """
    ends = np.array([end for end in looks(n, chunk) if end <= len(differences)], dtype=np.int64)
    if len(ends) == 0:
        return Decision("undecided", 0, 0.0, Interval(-1.0, 1.0), 1.0)
    values, which = np.unique(differences[: ends[-1]], return_inverse=True)
    look = np.searchsorted(ends, np.arange(ends[-1]), side="right")
    cells = np.bincount(look * len(values) + which, minlength=len(ends) * len(values))
    per_look = cells.reshape(len(ends), len(values))
    tallies = np.cumsum(per_look, axis=0)
    against = log_capitals(values, tallies, 0.0)
    changed = against >= critical(n, alpha)
    equal = equal_capital(values, per_look, n, margin) >= math.log(1 / alpha)
    stop = int(np.argmax(changed | equal)) if (changed | equal).any() else len(ends) - 1
    total = float(values @ tallies[stop])
    verdict: Decided = "undecided"
    if changed[stop]:
        verdict = "better" if total > 0 else "worse"
    elif equal[stop]:
        verdict = "equal"
    return Decision(
        verdict,
        int(ends[stop]),
        total / int(ends[stop]),
        interval(values, tallies[stop], n, alpha),
        math.exp(min(float(against[stop]), 700.0)),
    )
