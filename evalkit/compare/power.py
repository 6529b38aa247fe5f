"""How many questions or samples a difference needs, from how much answers change between runs that exist."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.compare.align import align
from evalkit.compare.columns import load_columns
from evalkit.runs.folder import Run
from evalkit.stats.pairs import Z_POWER, Z
from evalkit.stats.power import questions_needed, verdict_power
from evalkit.text import Format, json_text, render_grid

HEADER = ("compared with", "questions", "change", "power", "questions for 80 %", "samples for 80 %")


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one pair of runs says a difference of `gain` needs.

    `changing` is the share of questions whose answer changes; with several samples the spread of the
    difference a question, as a variance. `samples` is None where more samples a side do not help, or
    where the runs do not say.
    """

    against: str
    n: int
    changing: float
    power: float
    questions: int | None
    samples: int | None


def needs(run: Run, others: Sequence[Run], gain: float) -> list[Requirement]:
    """One line for each run of other weights; for a run with one completion a question a last one that
    holds for any: no pair of this accuracy changes more than independent answers do. `gain` is a share.
    """
    questions = align([load_columns(run)]).runs[0]
    found = [_from_pair(run, other, gain) for other in others if _weights(other) != _weights(run)]
    if questions.single:
        right = float((questions.correct > 0).mean())
        new = min(1.0, right + gain)
        found.append(
            _single("independent answers", len(questions.ids), right * (1 - new) + new * (1 - right), gain)
        )
    return found


def _weights(run: Run) -> str:
    """What tells models apart: two runs of the same one differ by noise alone."""
    return str(run.manifest.model.weights_sha256 or run.manifest.model.name)


def _single(against: str, n: int, changing: float, gain: float) -> Requirement:
    return Requirement(
        against, n, changing, verdict_power(gain, changing, n), questions_needed(gain, changing), None
    )


def _from_pair(run: Run, other: Run, gain: float) -> Requirement:
    aligned = align([load_columns(run), load_columns(other)])
    base, new = aligned.runs
    shares = [side.correct / side.samples for side in (base, new)]
    difference = shares[1] - shares[0]
    if base.single and new.single:
        return _single(other.name, aligned.n, float(np.count_nonzero(difference)) / aligned.n, gain)
    spread = float(difference.var(ddof=1))
    z = Z + Z_POWER
    power = 0.5 * math.erfc((Z - gain * math.sqrt(aligned.n / spread)) / math.sqrt(2)) if spread else 1.0
    samples = int(min(base.samples.min(), new.samples.min()))
    drawn = sum(_drawn(share, side.samples) for share, side in zip(shares, (base, new), strict=True))
    between = max(0.0, spread - drawn / samples)
    left = aligned.n * (gain / z) ** 2 - between
    return Requirement(
        other.name,
        aligned.n,
        spread,
        power,
        math.ceil(spread * (z / gain) ** 2),
        max(1, math.ceil(drawn / left)) if left > 0 and samples > 1 else None,
    )


def _drawn(share: NDArray[np.float64], samples: NDArray[np.int64]) -> float:
    """Mean variance of one sample around its question's own chance of being right (unbiased)."""
    return float((share * (1 - share) * samples / np.maximum(samples - 1, 1)).mean())


def render_needs(
    found: Sequence[Requirement], run: Run, gain: float, format: Format | Literal["json"]
) -> str:
    """One line a pair; power is that of the verdict, which needs both interval and exact test."""
    if format == "json":
        return json_text({"run": run.name, "gain": gain, "needs": [asdict(need) for need in found]})
    sampled = run.manifest.sampling.samples > 1
    lines = [
        (
            need.against,
            f"{need.n:,}",
            f"variance {need.changing:.3f}" if sampled else f"{100 * need.changing:.1f} %",
            f"{100 * need.power:.0f} %",
            f"{need.questions:,}" if need.questions else "–",
            f"{need.samples:,}" if need.samples else "–",
        )
        for need in found
    ]
    grid = render_grid(HEADER, lines, format)
    if format != "table":
        return grid
    task = f"{run.manifest.task} {run.manifest.split}"
    remark = (
        "more samples cannot replace questions where a line says –"
        if sampled
        else "greedy answers do not change when drawn again: more samples of them show no more"
    )
    return f"to show +{100 * gain:g} points on {task} against {run.name}\n\n{grid}\n\n{remark}"
