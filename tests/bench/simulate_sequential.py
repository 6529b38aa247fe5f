"""Sizes and errors of what is decided early, looked at again or chosen: the tables of docs/decide.md.

make simulate        # a few minutes
python tests/bench/simulate_sequential.py --repeats 1000
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent / "helpers"))
from places import ROOT

from evalkit.compare.align import align
from evalkit.compare.columns import load_columns
from evalkit.runs.folder import read_run
from evalkit.stats.pairs import mcnemar_exact, tango, wilson
from evalkit.stats.samples import paired_p
from evalkit.stats.selection import chosen_z
from evalkit.stats.sequential import boundary, critical, decide, default_chunk

RECORDED = ROOT / "results/recorded"
PAIRS = {
    "+9.1 recorded": (
        "Qwen2.5-Coder-1.5B-Instruct-gsm8k-test-gsm8k-boxed@1-480788",
        "coder-1.5b-gsm8k-step_20-gsm8k-test-gsm8k-boxed@1-6b923f",
    ),
    "+12.7 recorded": (
        "Qwen2.5-Coder-0.5B-Instruct-gsm8k-test-gsm8k-boxed@1-813314",
        "coder-0.5b-gsm8k-30-step_30-gsm8k-test-gsm8k-boxed@1-349f84",
    ),
}
MARGIN = 0.01
N = 1319
Draw = Callable[[np.random.Generator], NDArray[np.float64]]


def recorded(name: str) -> NDArray[np.float64]:
    """Differences by question of two recorded runs."""
    base, new = align([load_columns(read_run(RECORDED / run)) for run in PAIRS[name]]).runs
    return new.correct / new.samples - base.correct / base.samples


def in_parallel(work: Callable[[int], Any], repeats: int) -> list[Any]:
    """The work for each seed, on two processes."""
    with Pool(2) as pool:
        return pool.map(work, range(repeats), chunksize=max(1, repeats // 40))


def one_decision(draw: Draw, truth: float, seed: int, alpha: float = 0.05) -> tuple[str, int, bool]:
    differences = draw(np.random.default_rng([23, seed]))
    n = len(differences)
    found = decide(differences, n, default_chunk(n), MARGIN, alpha)
    return found.verdict, found.asked, found.ci.low <= truth <= found.ci.high


def scene(draw: Draw, truth: float, repeats: int) -> dict[str, float]:
    """Shares of the verdicts, of intervals that hold the truth, and how many questions a decision took."""
    found = in_parallel(partial(one_decision, draw, truth), repeats)
    verdicts = [f[0] for f in found]
    asked = [f[1] for f in found]
    shown = {v: 100 * verdicts.count(v) / repeats for v in ("better", "worse", "equal", "undecided")}
    covered = 100 * sum(f[2] for f in found) / repeats
    return {
        **shown,
        "covered": covered,
        "median": float(np.median(asked)),
        "p90": float(np.quantile(asked, 0.9)),
    }


def reorder(d: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.permutation(d)


def swap(d: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.permutation(d) * rng.choice([-1.0, 1.0], len(d))


def fresh(gain: float, changing: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Questions that were never seen: fixed, broken or unchanged."""
    fixed, broken = (changing + gain) / 2, (changing - gain) / 2
    return rng.choice([1.0, -1.0, 0.0], n, p=[fixed, broken, 1 - changing])


def sampled(samples: int, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Equal ability, several samples a question on both sides."""
    ability = rng.beta(0.6, 0.4, n)
    return (rng.binomial(samples, ability) - rng.binomial(samples, ability)) / samples


def one_by_one(mixture: bool, d: NDArray[np.float64], repeats: int) -> float:
    """Median questions with a look after each, at 1 / alpha (a plain Beta(3, 3) mixture) or at the bound."""
    leads = boundary(len(d), math.log(20) if mixture else critical(len(d)))
    stops = []
    for seed in range(repeats):
        x = reorder(d, np.random.default_rng([23, seed]))
        hit = np.abs(np.cumsum(x)) >= leads[np.cumsum(np.abs(x)).astype(np.int64)]
        stops.append(int(np.argmax(hit)) + 1 if hit.any() else len(d))
    return float(np.median(stops))


def table(header: list[str], lines: Iterator[list[str]]) -> None:
    print("| " + " | ".join(header) + " |\n| " + " | ".join(["---"] + ["---:"] * (len(header) - 1)) + " |")
    for line in lines:
        print("| " + " | ".join(line) + " |", flush=True)
    print()


def sizes(repeats: int) -> Iterator[list[str]]:
    scenes: list[tuple[str, Draw, float]] = []
    for name in PAIRS:
        d = recorded(name)
        scenes += [
            (f"{name}, reordered", partial(reorder, d), float(d.mean())),
            (f"{name}, labels swapped", partial(swap, d), 0.0),
        ]
    scenes += [
        (f"{100 * gain:+g}, {100 * changing:g} % change", partial(fresh, gain, changing, N), gain)
        for changing in (0.25, 0.10)
        for gain in (0.0, 0.01, 0.02, 0.03, 0.05, 0.09)
    ]
    scenes += [
        ("+0, 3 % change", partial(fresh, 0.0, 0.03, N), 0.0),
        ("+0, all change", partial(fresh, 0.0, 1.0, N), 0.0),
        ("+60, 80 % change", partial(fresh, 0.6, 0.8, N), 0.6),
        ("+97, 98 % change", partial(fresh, 0.97, 0.98, N), 0.97),
        ("+0, 25 % change, 200 questions", partial(fresh, 0.0, 0.25, 200), 0.0),
        ("+0, 8 samples", partial(sampled, 8, N), 0.0),
        ("+0, 2 samples", partial(sampled, 2, N), 0.0),
    ]
    for name, draw, truth in scenes:
        s = scene(draw, truth, repeats)
        yield [
            name,
            *(f"{s[k]:.1f}" for k in ("better", "worse", "equal", "undecided")),
            f"{s['median']:.0f}",
            f"{s['p90']:.0f}",
            f"{s['covered']:.1f}",
        ]


def equal_checkpoints(k: int, rng: np.random.Generator, n: int = N) -> NDArray[np.float64]:
    """Right or wrong answers of a base and k checkpoints of equal ability (k + 1 lines)."""
    ability = rng.beta(0.6, 0.4, n)
    return (rng.random((k + 1, n)) < ability).astype(np.float64)


def any_false(k: int, seed: int) -> tuple[bool, bool]:
    """Whether any of k equal checkpoints is called better or worse: until decided, and by a gate on the
    complete runs after each.
    """
    runs = equal_checkpoints(k, np.random.default_rng([k, seed]))
    sequential = gate = False
    for new in runs[1:]:
        d = new - runs[0]
        if not sequential:
            sequential = decide(d, N, default_chunk(N), MARGIN, 0.05 / k).verdict in ("better", "worse")
        fixed, broken = int((d > 0).sum()), int((d < 0).sum())
        ci = tango(fixed, broken, N)
        gate = gate or (mcnemar_exact(fixed, broken) * k < 0.05 and not ci.low <= 0 <= ci.high)
    return sequential, gate


def curves(repeats: int) -> Iterator[list[str]]:
    for k in (3, 5, 10, 20):
        found = in_parallel(partial(any_false, k), repeats // 5)
        yield [str(k), *(f"{100 * sum(f[i] for f in found) / len(found):.1f}" for i in (0, 1))]


def best_covered(k: int, spread: float, n: int, seed: int) -> tuple[bool, bool, bool]:
    """Whether the interval of the best one's lead, of its accuracy, and the ordinary one of its lead hold
    the truth. The k checkpoints differ by `spread` in ability, in logits.
    """
    rng = np.random.default_rng([k, n, seed])
    logits = rng.normal(0.5, 2.0, n)
    skills = np.concatenate([[0.0], rng.normal(0.2 * (spread > 0), spread, k)])
    nodes, weights = np.polynomial.hermite_e.hermegauss(48)  # the mean over the questions' distribution
    truths = [float(weights @ (1 / (1 + np.exp(-0.5 - 2 * nodes - s))) / weights.sum()) for s in skills]
    runs = (rng.random((k + 1, n)) < 1 / (1 + np.exp(-logits[None, :] - skills[:, None]))).astype(np.float64)
    best = int(np.argmax(runs[1:].mean(axis=1))) + 1
    d = runs[1:] - runs[0]
    fixed, broken = int((d[best - 1] > 0).sum()), int((d[best - 1] < 0).sum())
    lead, ordinary = truths[best] - truths[0], tango(fixed, broken, n)
    low = tango(fixed, broken, n, chosen_z(d)).low
    right = int(runs[best].sum())
    own = wilson(right, n, chosen_z(runs[1:])).low <= truths[best] <= wilson(right, n).high
    return low <= lead <= ordinary.high, own, ordinary.low <= lead <= ordinary.high


def bests(repeats: int) -> Iterator[list[str]]:
    for n in (N, 200):
        for k in (3, 10, 20):
            for spread in (0.0, 0.2):
                found = np.array(in_parallel(partial(best_covered, k, spread, n), repeats // 5))
                yield [
                    f"{n:,}",
                    str(k),
                    "equal" if spread == 0 else "unequal",
                    *(f"{100 * share:.1f}" for share in found.mean(axis=0)),
                ]


def again(seed: int, tries: int = 10) -> tuple[bool, bool, bool, bool]:
    """A false "better" within 10 sampled tries at equal ability: newest runs against one base run, both
    sides drawn anew, all runs of both sides, and the last with the error shared over the looks.
    """
    rng = np.random.default_rng([99, seed])
    ability = rng.beta(0.6, 0.4, N)
    base, new = ((rng.random((tries, N)) < ability).astype(np.float64) for _ in range(2))

    def p_single(d: NDArray[np.float64]) -> bool:
        return bool(d.sum() > 0 and mcnemar_exact(int((d > 0).sum()), int((d < 0).sum())) < 0.05)

    def p_all(i: int) -> float:
        d = new[: i + 1].mean(axis=0) - base[: i + 1].mean(axis=0)
        return paired_p(d) if d.mean() > 0 else 1.0

    ps = [p_all(i) for i in range(tries)]
    return (
        any(p_single(new[i] - base[0]) for i in range(tries)),
        any(p_single(new[i] - base[i]) for i in range(tries)),
        min(ps) < 0.05,
        min(ps) < 0.05 / tries,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10_000)
    repeats, start = parser.parse_args().repeats, time.monotonic()
    print(f"{repeats:,} orders or draws, curves {repeats // 5:,}; percent; chunks of {default_chunk(N)}\n")
    for name in PAIRS:
        bound, plain = (one_by_one(mixture, recorded(name), repeats) for mixture in (False, True))
        print(
            f"{name}, a look after each: median {bound:.0f} questions; plain Beta(3, 3) mixture {plain:.0f}"
        )
    print()
    table(
        [
            "gain in points",
            "better",
            "worse",
            "equal",
            "undecided",
            "median questions",
            "90 %",
            "interval holds",
        ],
        sizes(repeats),
    )
    table(["equal checkpoints", "until decided, any false", "gate with --looks, any false"], curves(repeats))
    table(
        [
            "questions",
            "checkpoints",
            "ability",
            "lead of the best",
            "its accuracy",
            "ordinary interval of the lead",
        ],
        bests(repeats),
    )
    found = np.array(in_parallel(again, repeats // 5)).mean(axis=0)
    labels = ["newest, one base run", "newest of both", "--all-runs", "--all-runs --looks 10"]
    table(
        ["a false better within 10 tries", "%"],
        iter([[name, f"{100 * share:.1f}"] for name, share in zip(labels, found, strict=True)]),
    )
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
