"""The reward: evalkit's own reading and scoring of an answer, so that training and evaluation agree."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.grade.judge import judge
from evalkit.records import Outcome


@dataclass(frozen=True, slots=True)
class Reward:
    """What one completion earned: 1.0 for `correct` under the template's rule, else 0.0."""

    value: float
    outcome: Outcome
    reason: str
    lenient: Outcome

    def validation_values(self, truncated: bool) -> dict[str, float]:
        """The numbers that verl averages over the validation rows (it skips texts)."""
        return {
            "acc": self.value,
            "lenient": float(self.lenient == "correct"),
            "no_answer": float(self.outcome == "no_answer"),
            "truncated": float(truncated),
        }


def compute(text: str, gold: str, rule: str) -> Reward:
    """Read and score a completion; pure, thread-safe, some microseconds.

    `rule` carries its version, as the prompt lock names it. Raises where the gold cannot be scored:
    such rows are refused before a run starts, so one here is a defect that must stop it.
    """
    judgement = judge(text, gold, rule)
    outcome, reason = judgement.grade.outcome, judgement.grade.reason
    if outcome == "unscored":
        raise ValueError(f"the gold {gold!r} cannot be scored: {reason}")
    return Reward(float(outcome == "correct"), outcome, reason, judgement.lenient_outcome)
