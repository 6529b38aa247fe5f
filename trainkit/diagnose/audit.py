"""How much of what a run learned rests on verdicts that another reading disputes.

The gradient of a completion grows with its advantage, so the summed absolute advantage says how much of
a step came from which answers. Every completion is judged again: by the newest version of the run's own
rule and scorer, by `lenient`, or by rules that are named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from evalkit.grade.judge import judge
from evalkit.grade.lock_entry import scorer_entry
from evalkit.grade.user_function import is_function
from evalkit.text import rough_percent
from trainkit.diagnose.finding import Finding
from trainkit.runs.folder import TrainingRun
from trainkit.runs.rollout import Rollout, read_rollouts

LENIENT = "lenient"
WORTH_NAMING = 0.1
"""Share of the absolute advantage of answers taken for correct from which on a loophole is named."""
SHOWN = 3


@dataclass(frozen=True)
class Disputed:
    """A completion whose verdict another rule disputes. `advantage` is absolute, as the trainer saw it."""

    rollout: Rollout
    rule: str
    outcome: str
    reason: str
    advantage: float

    @property
    def credited(self) -> bool:
        """Whether the run took it for correct, which may be a loophole; else it was denied."""
        return self.rollout.correct


@dataclass
class StepAudit:
    """One step: the summed absolute advantage of all completions, and the disputed ones."""

    step: int
    total: float
    paid: float = 0.0
    """The part of it that came from answers taken for correct."""
    disputed: list[Disputed] = field(default_factory=list)

    def share(self, credited: bool) -> float:
        """The part of the absolute advantage that came from answers credited, or denied, in dispute."""
        found = sum(entry.advantage for entry in self.disputed if entry.credited == credited)
        return found / self.total if self.total else 0.0


def audit(run: TrainingRun, rules: Sequence[str] = ()) -> list[StepAudit]:
    """Every step of a run; without `rules` the newest of the run's own and the lenient reading judge.

    Raises UserError for a rule that there is not.
    """
    named = [scorer_entry(rule)["rule"] if rule != LENIENT else rule for rule in rules]
    steps = []
    for step, rollouts in training_steps(run):
        weighed = list(zip(rollouts, advantages(rollouts, run.options.algorithm), strict=True))
        paid = sum(advantage for line, advantage in weighed if line.correct)
        found = StepAudit(step, sum(advantage for _, advantage in weighed), paid)
        for rollout, advantage in weighed:
            found.disputed += disputes(run, rollout, named, advantage)[:1]
        steps.append(found)
    return steps


def training_steps(run: TrainingRun) -> Iterator[tuple[int, list[Rollout]]]:
    """The training rollouts by step, in their order."""
    steps: dict[int, list[Rollout]] = {}
    for line in read_rollouts(run.folder):
        if not line.validate:
            steps.setdefault(line.step, []).append(line)
    yield from sorted(steps.items())


def advantages(rollouts: Sequence[Rollout], algorithm: str) -> list[float]:
    """The absolute advantage of each completion of a step, from its reward.

    Group means are the baseline, as verl takes them (divided by the spread for grpo, dapo and gspo); for
    reinforce++ and ppo, whose baselines are not in the log, the mean of the batch is.
    """
    groups: dict[str, list[float]] = {}
    grouped = algorithm not in ("reinforce++", "ppo")
    keys = [line.drawn if grouped else "" for line in rollouts]
    for key, line in zip(keys, rollouts, strict=True):
        groups.setdefault(key, []).append(line.reward)
    found = []
    for key, line in zip(keys, rollouts, strict=True):
        values = groups[key]
        mean = fmean(values)
        spread = 1.0
        if algorithm in ("grpo", "dapo", "gspo") and len(values) > 1:
            spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)) + 1e-6
        found.append(abs(line.reward - mean) / spread)
    return found


def disputes(run: TrainingRun, rollout: Rollout, rules: Sequence[str], advantage: float) -> list[Disputed]:
    """The rules that come to another verdict than the run's own; what they cannot read is no dispute."""
    part = run.job.part(rollout.source)
    own = part.rule
    newest = [] if is_function(own) else [scorer_entry(own.partition("@")[0])["rule"]]
    found = []
    for rule in rules or dict.fromkeys((*newest, LENIENT)):
        verdict = judge(
            rollout.text,
            rollout.gold,
            rule,
            part.thinking,
            rollout.markers or (),
            rollout.thinking_tokens,
            question=rollout.question,
            truncated=rollout.truncated,
        ).grade
        unread = verdict.outcome == "unscored" or (rule == LENIENT and verdict.outcome == "no_answer")
        if not unread and (verdict.outcome == "correct") != rollout.correct:
            found.append(Disputed(rollout, rule, verdict.outcome, verdict.reason, advantage))
    return found


def loophole(run: TrainingRun) -> Finding | None:
    """Answers that the run's rule pays and another reading calls wrong carry part of what is learned."""
    steps = audit(run)
    paid = sum(step.paid for step in steps)
    credited = [entry for step in steps for entry in step.disputed if entry.credited]
    share = sum(entry.advantage for entry in credited) / paid if paid else 0.0
    if share < WORTH_NAMING or len(credited) < 2:
        return None
    worst = max(credited, key=lambda entry: (entry.rollout.step, entry.advantage))
    rule = run.job.part(worst.rollout.source).rule
    text = " ".join(worst.rollout.text.split())[-80:]
    return Finding(
        cause="loophole",
        sentence=f"The rule {rule} pays answers that are wrong: a loophole, which is learned.",
        evidence=f"{rough_percent(share)} of what right answers earned went to {len(credited):,} answers "
        f"that {worst.rule} calls {worst.outcome}; one is {text!r} to the gold {worst.rollout.gold!r}",
        option=f"See them with `trainkit audit {run.folder.name}`; train under a stricter rule (--prompt).",
        weight=min(0.98, 0.6 + share),
    )


def reward_without_score(run: TrainingRun) -> Finding | None:
    """A shaped reward that rises while the score does not."""
    if not run.job.reward:
        return None
    reward = [value for _, value in run.series("trainkit/reward")]
    score = [value for _, value in run.series("trainkit/acc")]
    if len(reward) < 3 or len(score) != len(reward):
        return None
    third = max(1, len(reward) // 3)
    paid = fmean(reward[-third:]) - fmean(reward[:third])
    scored = fmean(score[-third:]) - fmean(score[:third])
    if paid <= 0.02 or scored > 0.1 * paid:
        return None
    return Finding(
        cause="reward-without-score",
        sentence="The reward rises and the score does not: the model learns the shaping, not the task.",
        evidence=f"reward {fmean(reward[:third]):.3f} to {fmean(reward[-third:]):.3f}, "
        f"score {fmean(score[:third]):.3f} to {fmean(score[-third:]):.3f}",
        option="Give the other terms less weight against correct (--reward), or leave them out.",
        weight=0.9,
    )


CAUSES = (loophole, reward_without_score)
