"""The noise floor: how many greedy answers flip when the same checkpoint is scored twice.

An engine rounds differently with other requests in the batch, so two greedy runs of the same weights
are not the same. What flips by itself is no progress.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalkit.compare.align import Aligned, align
from evalkit.compare.columns import CORRECT, load_columns, read_texts
from evalkit.runs.folder import Run
from evalkit.runs.manifest import NoiseFloor
from evalkit.score.pipeline import score_model
from evalkit.score.plan import RunPlan
from evalkit.stats.pairs import moved_by_flips
from evalkit.text import percent, points
from prompts.errors import UserError

AGAIN = "-again"


@dataclass(frozen=True, slots=True)
class Noise:
    """Of `n` questions that both runs could score, how many changed: right or wrong, and the text."""

    n: int
    flips: int
    texts: int

    def sentence(self) -> str:
        """What was measured and what it means for a difference."""
        moved = (
            f"; flips alone move a difference by up to {points(moved_by_flips(self.flips, self.n))} points"
        )
        return (
            f"{self.flips:,} of {self.n:,} answers flip between right and wrong "
            f"({percent(self.flips / self.n)}), {self.texts:,} texts change{moved if self.flips else ''}"
        )


def measure_noise(first: Run, second: Run) -> Noise:
    """Compare two complete greedy runs of the same weights.

    Raises UserError where they are not that, or share no question that both could score.
    """
    for key, left, right in (
        ("weights", *(run.manifest.model.weights_sha256 for run in (first, second))),
        ("prompts", *(run.manifest.fingerprint for run in (first, second))),
        ("temperature", *(run.manifest.sampling.temperature for run in (first, second))),
    ):
        if left != right:
            raise UserError(
                f"{first.name} and {second.name} differ in {key} ({left}, {right}): not noise alone"
            )
    aligned = align([load_columns(first), load_columns(second)])
    if aligned.n == 0:
        raise UserError(f"no question could be scored in both {first.name} and {second.name}")
    base, new = aligned.runs
    flips = (base.completions.outcome == CORRECT) != (new.completions.outcome == CORRECT)
    return Noise(aligned.n, int(np.count_nonzero(flips)), _changed_texts(first, second, aligned))


def _changed_texts(first: Run, second: Run, aligned: Aligned) -> int:
    texts = (
        (record.text for record in read_texts(run, side.completions.offset.tolist()))
        for run, side in zip((first, second), aligned.runs, strict=True)
    )
    return sum(left != right for left, right in zip(*texts, strict=True))


def score_twice(plan: RunPlan, *, command: str, results: Path) -> tuple[Run, Run, Noise]:
    """Score a greedy plan twice, each time with an engine of its own, and record the noise in both runs.

    The first run is the one that `evalkit score` makes, or has made already; the second lies beside
    it. Raises UserError where the plan samples, and what `score_model` raises.
    """
    if plan.sampling.temperature > 0:
        raise UserError(
            f"noise is measured on greedy answers, not at temperature {plan.sampling.temperature:g}"
        )
    first = score_model(plan, command=command, results=results)
    again = first.folder.with_name(first.name + AGAIN)
    second = score_model(plan, command=command, results=results, output=again)
    noise = measure_noise(first, second)
    return record_noise(first, noise), record_noise(second, noise), noise


def record_noise(run: Run, noise: Noise) -> Run:
    """Write the noise into the manifest of a complete run, where `evalkit diff` finds it."""
    manifest = run.manifest.changed(noise=NoiseFloor(n=noise.n, flips=noise.flips))
    manifest.write(run.folder)
    return Run(run.folder, manifest)
