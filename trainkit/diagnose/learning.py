"""Why a run does not learn although some answers are right: settings, advantages, step size."""

from __future__ import annotations

import math
from statistics import fmean, stdev

from evalkit.text import rough_percent
from trainkit.algorithms import NEEDS_GROUPS
from trainkit.diagnose.finding import Finding
from trainkit.runs.folder import TrainingRun

HIGH_LEARNING_RATE = {False: 1e-4, True: 1e-3}
"""Above this a run is likely to break: full fine-tuning, LoRA (which bears ten times as much)."""
LOW_LEARNING_RATE = {False: 1e-7, True: 1e-6}


def ends(values: list[float]) -> tuple[float, float]:
    """Means of the first and of the last third, of one value at least."""
    third = max(1, len(values) // 3)
    return fmean(values[:third]), fmean(values[-third:])


def learning_rate(run: TrainingRun) -> float:
    """The highest rate that was really used, else the option."""
    used = [value for _, value in run.series("actor/lr")]
    if used:
        return max(used)
    return run.options.learning_rate


def rewards(run: TrainingRun) -> list[float]:
    """Mean reward of each step."""
    return [value for _, value in run.series("trainkit/acc")]


def lora(run: TrainingRun) -> bool:
    return bool(run.options.lora_rank)


def one_sample(run: TrainingRun) -> Finding | None:
    if run.options.samples != 1 or run.options.algorithm not in NEEDS_GROUPS:
        return None
    return Finding(
        cause="one-sample",
        sentence="There is one sample a prompt, so no answer is compared with another of its question: "
        "verl takes the bare reward as advantage, and wrong answers teach nothing.",
        evidence="samples is 1",
        option="Give --samples 8 (at least 2).",
        weight=0.99,
    )


def rate_zero(run: TrainingRun) -> Finding | None:
    if learning_rate(run) != 0:
        return None
    return Finding(
        cause="learning-rate-zero",
        sentence="The learning rate is 0: the weights never move.",
        evidence=f"it was 0 in all {len(run.steps)} steps" if run.steps else "the option is 0",
        option="Give --learning-rate 3e-6 (1e-6 to 1e-5 for models over 0.5B, up to 3e-5 for smaller ones).",
        weight=1.0,
    )


def rate_too_high(run: TrainingRun) -> Finding | None:
    """A rate beyond what models bear, together with a reward or an entropy that broke after step 1."""
    rate = learning_rate(run)
    if rate is None or rate < HIGH_LEARNING_RATE[lora(run)]:
        return None
    signs = broken(run)
    return Finding(
        cause="learning-rate-high",
        sentence=f"The learning rate of {rate:g} is far too high"
        + (": the model broke." if signs else " for most models."),
        evidence="; ".join(signs) or f"over {HIGH_LEARNING_RATE[lora(run)]:g}",
        option="Give --learning-rate 1e-6 and start again from the base model.",
        weight=0.97 if signs else 0.6,
    )


def broken(run: TrainingRun) -> list[str]:
    """Signs that an update destroyed the model, each in words."""
    signs = []
    reward = rewards(run)
    if len(reward) > 1 and reward[-1] < reward[0] / 2:
        signs.append(f"mean reward {reward[0]:.2f} in the first step, {reward[-1]:.2f} in the last")
    truncated = [value for _, value in run.series("trainkit/truncated")]
    if len(truncated) > 1 and truncated[-1] > truncated[0] + 0.3:
        signs.append(f"truncated {rough_percent(truncated[0])} at first, {rough_percent(truncated[-1])} now")
    validation = run.validation()
    if len(validation) > 1 and validation[-1][1] < validation[0][1] / 2:
        signs.append(f"validation {validation[0][1]:.2f} before, {validation[-1][1]:.2f} now")
    norms = [value for _, value in run.series("actor/grad_norm") if math.isfinite(value)]
    if len(norms) > 1 and max(norms[1:]) > 20 * max(norms[0], 0.1):
        signs.append(f"gradient norm {norms[0]:.2g} in the first step, up to {max(norms[1:]):.2g} later")
    divergence = [abs(value) for _, value in run.series("actor/ppo_kl") if math.isfinite(value)]
    if divergence and max(divergence) > 1:
        signs.append(f"KL between old and new policy up to {max(divergence):.2g}")
    return signs


def flat(run: TrainingRun, least_steps: int = 6) -> bool:
    """Whether the reward of the last third is within noise (2 standard errors) of the first third's."""
    values = rewards(run)
    if len(values) < least_steps:
        return False
    third = len(values) // 3
    first, last = values[:third], values[-third:]
    spread = (stdev(first) ** 2 + stdev(last) ** 2) / third if third > 1 else 0.0
    return fmean(last) - fmean(first) <= 2 * math.sqrt(spread)


def rate_too_low(run: TrainingRun) -> Finding | None:
    rate = learning_rate(run)
    if not rate or rate >= LOW_LEARNING_RATE[lora(run)] or not flat(run):
        return None
    first, last = ends(rewards(run))
    return Finding(
        cause="learning-rate-low",
        sentence=f"The learning rate of {rate:g} is too low to move the model.",
        evidence=f"mean reward {first:.3f} at first, {last:.3f} at last",
        option="Give --learning-rate 1e-6 (LoRA: 1e-5).",
        weight=0.7,
    )


def no_advantage(run: TrainingRun) -> Finding | None:
    """Most groups are all right or all wrong, so that their advantages are zero."""
    shares = [value for _, value in run.series("trainkit/no_advantage")]
    if len(shares) < 3 or run.options.samples == 1:
        return None
    share, reward = fmean(shares), fmean(rewards(run))
    if share < 0.7 or reward == 0:
        return None
    too_easy = reward > 0.5
    return Finding(
        cause="no-advantage",
        sentence=f"Most questions teach nothing: all their samples are {'right' if too_easy else 'wrong'}.",
        evidence=f"{rough_percent(share)} of the groups have no advantage, mean reward {reward:.2f}",
        option=("Take harder rows" if too_easy else "Give more --samples (16), take easier rows")
        + ", or draw more of them: --draw needed (`trainkit dapo` does so by itself).",
        weight=0.4 + 0.5 * share,
    )


def often_cut(run: TrainingRun) -> Finding | None:
    """Most completions end at the length limit, in runs where some answers are right all the same."""
    shares, reward = [value for _, value in run.series("trainkit/truncated")], rewards(run)
    if not shares or fmean(shares) < 0.4 or not reward[0]:
        return None  # zero rewards are explained in zero_reward.py
    return Finding(
        cause="truncated",
        sentence=f"Many completions are cut off at {run.job.response_length} tokens.",
        evidence=f"{rough_percent(fmean(shares))} are truncated, mean reward {fmean(reward):.2f}",
        option=f"Give them more room: --response-length {2 * run.job.response_length}.",
        weight=0.2 + 0.25 * fmean(shares),
    )


def clipping(run: TrainingRun) -> Finding | None:
    shares = [value for _, value in run.series("actor/pg_clipfrac")]
    if not shares or fmean(shares) < 0.2:
        return None
    return Finding(
        cause="clipping",
        sentence="Most of the update is clipped away: the policy moves too far within a step.",
        evidence=f"{rough_percent(fmean(shares))} of the tokens are clipped (0.1 to 3 % is usual)",
        option="Lower --learning-rate, or raise --mini-batch (fewer updates a step).",
        weight=0.6,
    )


CAUSES = (one_sample, rate_zero, rate_too_high, rate_too_low, no_advantage, often_cut, clipping)
