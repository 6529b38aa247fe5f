"""A run that learned and then broke: lengths, entropy, numbers that are none."""

from __future__ import annotations

import math

from evalkit.text import rough_percent
from trainkit.diagnose.finding import Finding
from trainkit.diagnose.learning import ends, rewards
from trainkit.runs.folder import TrainingRun

WATCHED = ("actor/grad_norm", "actor/pg_loss", "actor/entropy", "actor/kl_loss", "actor/ppo_kl")
"""Metrics in which a NaN or infinity means that the weights are lost."""


def not_a_number(run: TrainingRun) -> Finding | None:
    """The first watched metric that is no number. JSON has none: null and NaN both count."""
    for line in run.metrics:
        for name in WATCHED:
            if name in line and (line[name] is None or not math.isfinite(line[name])):
                return Finding(
                    cause="nan",
                    sentence=f"{name} is not a number since step {line['step']}: the weights are lost.",
                    evidence=f"step {line['step']}: {name} = {line[name]}",
                    option="Go back to the checkpoint before that step and lower --learning-rate to a tenth.",
                    weight=0.96,
                )
    return None


def length_collapse(run: TrainingRun) -> Finding | None:
    """Answers shrink to a fraction while the reward does not rise with it (short and right is fine)."""
    lengths = [value for _, value in run.series("trainkit/completion_tokens")]
    if len(lengths) < 2:
        return None
    long, short = ends(lengths)
    before, now = ends(rewards(run))
    if short > 0.35 * long or now > before + 0.02:
        return None
    return Finding(
        cause="length-collapse",
        sentence="The answers have shrunk to a fraction, and the reward did not rise with it.",
        evidence=f"{long:.0f} tokens at first, {short:.0f} now; mean reward {before:.2f} and {now:.2f}",
        option="Lower --learning-rate, or hold the model near its base with --kl 0.001.",
        weight=0.75,
    )


def entropy_collapse(run: TrainingRun) -> Finding | None:
    """The policy has become one answer a question, and no longer improves."""
    values = [value for _, value in run.series("actor/entropy")]
    constants = [value for _, value in run.series("trainkit/no_advantage")]
    if len(values) < 4 or not constants or values[0] <= 0:
        return None
    first, last = ends(values)
    constant = ends(constants)[1]
    if last > 0.15 * first or constant < 0.6 or rewards(run)[-1] > 0.9:
        return None
    return Finding(
        cause="entropy-collapse",
        sentence="The model always gives the same answer: its entropy has collapsed.",
        evidence=f"entropy {first:.3g} at first, {last:.3g} now; "
        f"{rough_percent(constant)} of the groups have no advantage",
        option="Lower --learning-rate, give more --samples, or use `trainkit dapo` (it clips higher).",
        weight=0.7,
    )


CAUSES = (not_a_number, length_collapse, entropy_collapse)
