"""The reward: evalkit's own reading and scoring of an answer, so that training and evaluation agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.grade.judge import Judge
from evalkit.grade.user_function import read_function
from evalkit.records import Outcome
from trainkit.runs.job import Job


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


def open_judge(job: Job, source: str = "") -> Judge:
    """The judge of one task of a training run: its rule, or its grader's processes.

    Raises Mismatch where the grader's file is not the one that the run was prepared with.
    """
    part = job.part(source)
    grader = part["grader"]
    return Judge(part["rule"], read_function(grader["rule"], sha256=grader["sha256"]) if grader else None)


def compute(text: str, gold: str, judge: Judge, row: Mapping[str, Any] = {}) -> Reward:
    """Read and score a completion; thread-safe, some microseconds under a rule of ours.

    The judge's rule carries its version, as the prompt lock names it; `row` is for graders. Raises
    ValueError where the outcome is `unscored`: golds that cannot be scored are refused before a run
    starts, and a grader that fails must stop it, since no reward would be true.
    """
    judgement = judge(text, gold, row)
    outcome, reason = judgement.grade.outcome, judgement.grade.reason
    if outcome == "unscored":
        raise ValueError(f"an answer to the gold {gold!r} cannot be scored: {reason}")
    return Reward(float(outcome == "correct"), outcome, reason, judgement.lenient_outcome)
