"""From a completion's text to its judgement: read strictly, read leniently, compare with the gold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.extract import extract
from evalkit.grade.function_pool import FunctionPool
from evalkit.grade.grade import grade
from evalkit.grade.grader import ask
from evalkit.grade.user_function import UserFunction
from evalkit.records import Completion, Extraction, Grade, Outcome, Record, Row


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rule read and what came of it; the lenient reading beside it."""

    extraction: Extraction
    grade: Grade
    lenient: Extraction
    lenient_outcome: Outcome


def judge(text: str, gold: str | None, rule: str) -> Judgement:
    """Read and score a text. The lenient cascade tries `rule` first, so strictly right is leniently right."""
    strict = extract(text, rule)
    judgement = grade(strict, gold)
    if strict.answer is not None:  # what the cascade would find first: the text is not read twice
        return Judgement(strict, judgement, strict, judgement.outcome)
    lenient = extract(text, "lenient")
    return Judgement(strict, judgement, lenient, grade(lenient, gold).outcome)


class Judge:
    """Reads and scores under one rule of a lock: evaluation, rescoring and the reward each have one.

    `grader` is the function of a `python:` rule; its processes live until `close`. Thread-safe.
    Raises UserError where the grader's file cannot be run.
    """

    def __init__(self, rule: str, grader: UserFunction | None = None) -> None:
        self.rule = rule
        self.pool = FunctionPool(grader) if grader else None

    def __call__(self, text: str, gold: str | None, row: Mapping[str, Any] = {}) -> Judgement:
        """The judgement of a completion; `row` is what `grader.row_for_grader` gives, for graders."""
        if self.pool is None:
            return judge(text, gold, self.rule)
        extraction, verdict = ask(self.pool, text, gold, row)
        return Judgement(extraction, verdict, extraction, verdict.outcome)

    @property
    def workers(self) -> int:
        """Calls at once that are worth it."""
        return self.pool.size if self.pool else 1

    def close(self) -> None:
        """End the grader's processes."""
        if self.pool is not None:
            self.pool.close()


def unscored(rule: str, reason: str) -> Judgement:
    """The judgement of what was never generated, or came to nothing: neither right nor wrong."""
    nothing = Extraction(None, rule)
    return Judgement(nothing, Grade("unscored", reason), nothing, "unscored")


def make_record(
    row: Row,
    prompt_tokens: int,
    text: str,
    completion: Completion | None,
    judgement: Judgement,
    *,
    sample: int,
    seed: int,
    fields: dict[str, Any] | None = None,
) -> Record:
    """The line of records.jsonl. `completion` is None for a row that was not given to the engine."""
    return Record(
        id=row.id,
        sample=sample,
        question=row.question,
        gold=row.gold,
        prompt_tokens=prompt_tokens,
        completion_tokens=len(completion.token_ids) if completion else 0,
        text=text,
        finish_reason=completion.finish_reason if completion else "none",
        truncated=completion is not None and completion.finish_reason == "length",
        extraction=judgement.extraction,
        outcome=judgement.grade.outcome,
        reason=judgement.grade.reason,
        lenient=judgement.lenient,
        lenient_outcome=judgement.lenient_outcome,
        seed=seed,
        fields=fields,
    )
