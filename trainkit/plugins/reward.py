"""The reward: evalkit's own reading and scoring of an answer, so that training and evaluation agree.

Where the run asks for a shaped reward its terms are paid; the score stays what evaluation counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from evalkit.grade.function_pool import FunctionPool
from evalkit.grade.judge import Judge
from evalkit.grade.user_function import read_function
from evalkit.records import Outcome
from prompts.reading.thinking import Markers
from trainkit.runs.job import Job
from trainkit.runs.shaping import Answer, Term, shaped, usable, verdict_of


@dataclass(frozen=True, slots=True)
class Reward:
    """What one completion earned: 1.0 for `correct` under the template's rule, else 0.0, unless shaped."""

    value: float
    outcome: Outcome
    reason: str
    lenient: Outcome
    answer: str | None = None
    terms: Mapping[str, float] = field(default_factory=dict)
    """What each term of a shaped reward gave to it; empty where the reward is the score."""

    @property
    def score(self) -> float:
        """What evaluation counts."""
        return float(self.outcome == "correct")

    def validation_values(self, truncated: bool) -> dict[str, float]:
        """The numbers that verl averages over the validation rows (it skips texts)."""
        return {
            "acc": self.score,
            "lenient": float(self.lenient == "correct"),
            "no_answer": float(self.outcome == "no_answer"),
            "truncated": float(truncated),
        }


def open_judge(job: Job, source: str = "") -> Judge:
    """The judge of one task of a training run: its rule, or its grader's processes.

    Raises Mismatch where the grader's file is not the one that the run was prepared with.
    """
    part = job.part(source)
    grader = part.grader
    function = read_function(grader["rule"], sha256=grader["sha256"]) if grader else None
    return Judge(part.rule, function, part.thinking, job.scorer_version)


def compute(
    text: str,
    gold: str,
    judge: Judge,
    row: Mapping[str, Any] = {},
    markers: Markers | None = None,
    thinking_tokens: int | None = None,
    truncated: bool = False,
) -> Reward:
    """Read and score a completion; thread-safe, some microseconds under a rule of ours.

    The judge's rule carries its version, as the prompt lock names it; `row` is for graders,
    `markers` are the special tokens of the text, where the lock reads thinking by them, and `truncated`
    says whether it was cut off at the token limit. Raises
    ValueError where the outcome is `unscored`: golds that cannot be scored are refused before a run
    starts, and a grader that fails must stop it, since no reward would be true.
    """
    judgement = judge(text, gold, row, markers, thinking_tokens, truncated)
    outcome, reason = judgement.grade.outcome, judgement.grade.reason
    if outcome == "unscored":
        where = f"row {row['id']}, " if "id" in row else ""
        raise ValueError(f"an answer to {where}gold {gold!r}, cannot be scored: {reason}")
    answer = judgement.extraction.answer
    return Reward(float(outcome == "correct"), outcome, reason, judgement.lenient_outcome, answer)


class Shaping:
    """The terms of a shaped reward, and the processes of the function of --reward-file."""

    def __init__(self, terms: tuple[Term, ...], file: Mapping[str, str] | None) -> None:
        self.terms = terms
        self.pool = FunctionPool(read_function(file["rule"], sha256=file["sha256"])) if file else None

    @classmethod
    def of(cls, job: Job) -> Shaping | None:
        """That of a training run; None where the reward is the score.

        Raises Mismatch where the function's file is not the one that the run was prepared with.
        """
        if job.reward is None:
            return None
        return cls(job.reward.terms, job.reward.file)

    def pay(
        self, reward: Reward, text: str, row: Mapping[str, Any], tokens: int, limit: int, truncated: bool
    ) -> Reward:
        """The reward under the terms; `tokens` are the completion's, of at most `limit`. Thread-safe.

        Raises ValueError where the function fails, takes too long or returns no finite number: no
        reward would be true, so the run must stop.
        """
        answer = Answer(
            outcome=reward.outcome,
            lenient=reward.lenient,
            tokens=tokens,
            limit=limit,
            truncated=truncated,
            file=self._ask(reward, text, row) if self.pool else None,
        )
        value, parts = shaped(self.terms, answer)
        return replace(reward, value=value, terms=parts)

    def _ask(self, reward: Reward, text: str, row: Mapping[str, Any]) -> float:
        assert self.pool is not None
        verdict = verdict_of(reward.outcome, reward.reason, reward.answer, reward.lenient)
        returned = self.pool.call(text, dict(row), verdict)
        try:
            if returned.failure is not None:
                raise ValueError(returned.failure)
            return usable(returned.value)
        except ValueError as error:
            name = self.pool.function.name.removeprefix("python:")
            raise ValueError(f"the reward {name} failed on row {row.get('id')}: {error}") from None

    def close(self) -> None:
        if self.pool is not None:
            self.pool.close()
