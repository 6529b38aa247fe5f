"""`trainkit doctor`: what went wrong in a training run, most likely first.

`diagnose` asks every cause of trainkit/diagnose; `first_step_verdict` is the same question asked by
the launcher after step 1, so that a run in which nothing can be learned ends at once.
"""

from __future__ import annotations

from pathlib import Path

from trainkit.diagnose import audit, collapse, crash, learning, mismatch, slow, thinking
from trainkit.diagnose.finding import Finding
from trainkit.diagnose.zero_reward import RolloutBatch, explain_zero
from trainkit.runs.folder import TrainingRun


def diagnose(run: TrainingRun) -> list[Finding]:
    """Every cause that the run's files speak for, most likely first; empty where nothing is wrong."""
    findings = zero_rewards(run) + crash.explanations(run)
    for module in (audit, mismatch, learning, collapse, slow, thinking):
        findings += [finding for cause in module.CAUSES if (finding := cause(run))]
    return sorted(findings, key=lambda finding: -finding.weight)


def zero_rewards(run: TrainingRun) -> list[Finding]:
    """Why the rewards of the first step are all zero; empty where one is not."""
    rollouts = run.first_rollouts()
    if not rollouts or any(rollout.reward for rollout in rollouts):
        return []
    return explain_zero(
        RolloutBatch(
            rollouts=rollouts,
            rule=run.rule,
            prompt=run.prompt,
            response_length=run.job.response_length,
            chosen_length=run.options.response_length is not None,
        )
    )


def first_step_verdict(folder: Path) -> Finding | None:
    """Why to stop after step 1: the likeliest cause where every reward of it is zero, else None.

    The launcher calls it once, when step 1 has been trained, and continues under --go-on.
    """
    run = TrainingRun(folder)
    return diagnose(run)[0] if zero_rewards(run) else None
