"""From a completion's text to its judgement: read strictly, read leniently, compare with the gold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from evalkit.extract.choice.options import ALL, count_options
from evalkit.extract.cut import at_the_cut
from evalkit.extract.peers import PEER_COMPARISONS
from evalkit.extract.reading import extract
from evalkit.grade.function_pool import FunctionPool
from evalkit.grade.grade import SCORER_VERSION, grade
from evalkit.grade.grader import ask
from evalkit.grade.user_function import UserFunction
from evalkit.records import Completion, Extraction, Grade, Outcome, Record, Row
from prompts.reading.completion import Decoded
from prompts.reading.thinking import OVER_BUDGET, UNFINISHED, Markers, Thinking, divide_by


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rule read and what came of it; the lenient reading beside it."""

    extraction: Extraction
    grade: Grade
    lenient: Extraction
    lenient_outcome: Outcome


CUT = "cut off at its answer"
"""Why an answer that a token limit cut is none."""

# The cascades that older versions of the scorer were released with.
_LENIENT = {2: "lenient@1", 3: "lenient@2"}


def judge(
    text: str,
    gold: str | None,
    rule: str,
    thinking: Mapping[str, Any] | None = None,
    markers: Markers | None = None,
    thinking_tokens: int | None = None,
    *,
    version: int = SCORER_VERSION,
    question: str | None = None,
    options: int | None = None,
    lenient: str | None = None,
    truncated: bool = False,
) -> Judgement:
    """Read and score a text. The lenient cascade tries `rule` first, so strictly right is leniently right.

    `thinking` is that entry of the lock's `reading`: with it only what follows the thinking is read, by
    what the prompt opened and by the text's `markers` (None: not known), and only where its budget allows
    so many `thinking_tokens`. Rules of peers read the whole text. `version` is that of the scorer, as a
    lock names it; `question` or `options` says how many options rule `choice` has.
    `lenient` names a version of the cascade, None that of the scorer. Of a completion that was `truncated`
    at its token limit an answer at the very end is none, since it may be half of one.
    """
    part = final_answer(text, rule, thinking, markers)
    if not part.unfinished and over_budget(thinking, thinking_tokens):
        return _unread(rule, gold, OVER_BUDGET)
    if options is None:
        options = count_options(question) if question and rule.startswith("choice") else ALL
    read = text[part.start : part.end] if thinking else text
    cascade = lenient or _LENIENT.get(version, "lenient")
    cut = truncated and version > 3 and rule.partition("@")[0] not in PEER_COMPARISONS
    judgement = _judge(read, gold, rule, part.start, version, options, cascade, cut)
    if judgement.grade.outcome == "no_answer" and part.unfinished:
        return replace(judgement, grade=Grade("no_answer", UNFINISHED))
    return judgement


def over_budget(thinking: Mapping[str, Any] | None, tokens: int | None) -> bool:
    """Whether a completion thought for longer than the lock allows; one cut off is unfinished, not this."""
    budget = (thinking or {}).get("budget")
    return budget is not None and tokens is not None and tokens > budget


def _unread(rule: str, gold: str | None, reason: str) -> Judgement:
    """The judgement of a completion that is not read; `unscored` where its gold cannot be scored."""
    nothing = Extraction(None, rule)
    verdict = grade(nothing, gold)
    if verdict.outcome == "no_answer":
        verdict = Grade("no_answer", reason)
    return Judgement(nothing, verdict, nothing, verdict.outcome)


def final_answer(
    text: str, rule: str, thinking: Mapping[str, Any] | None, markers: Markers | None
) -> Thinking:
    """The part of a text that a rule reads (its own region is within), and whether thinking was cut off."""
    if rule.partition("@")[0] in PEER_COMPARISONS:
        return Thinking(0, len(text), False, 0)
    part = divide_by(thinking, text, markers)
    return part if thinking else replace(part, start=0, end=len(text))


def _judge(
    text: str, gold: str | None, rule: str, start: int, version: int, options: int, cascade: str, cut: bool
) -> Judgement:
    """As `judge`, for the part of a completion that begins at `start`."""
    strict = extract(text, rule, options=options)
    if cut and at_the_cut(text, strict):
        return _unread(strict.rule, gold, CUT)
    strict = moved(strict, start)
    judgement = grade(strict, gold, version)
    if strict.answer is not None:  # what the cascade would find first: the text is not read twice
        return Judgement(strict, judgement, strict, judgement.outcome)
    lenient = extract(text, cascade)
    if cut and at_the_cut(text, lenient):
        lenient = Extraction(None, lenient.rule)
    lenient = moved(lenient, start)
    return Judgement(strict, judgement, lenient, grade(lenient, gold, version).outcome)


def moved(found: Extraction, start: int) -> Extraction:
    """An extraction of a part, with the span in the whole text."""
    if found.span is None or not start:
        return found
    return msgspec.structs.replace(found, span=(found.span[0] + start, found.span[1] + start))


class Judge:
    """Reads and scores under one rule of a lock: evaluation, rescoring and the reward each have one.

    `grader` is the function of a `python:` rule; its processes live until `close`. `thinking` is that
    entry of the lock's `reading`, None where it has none. Thread-safe.
    Raises UserError where the grader's file cannot be run.
    """

    def __init__(
        self,
        rule: str,
        grader: UserFunction | None = None,
        thinking: Mapping[str, Any] | None = None,
        version: int = SCORER_VERSION,
    ) -> None:
        self.rule, self.thinking, self.version = rule, thinking, version
        self.pool = FunctionPool(grader) if grader else None

    def __call__(
        self,
        text: str,
        gold: str | None,
        row: Mapping[str, Any] = {},
        markers: Markers | None = None,
        thinking_tokens: int | None = None,
        truncated: bool = False,
    ) -> Judgement:
        """The judgement of a completion; `row` is what `grader.row_for_grader` gives, for graders.

        A grader gets what follows the thinking; it is not asked about thinking that was cut off.
        """
        if self.pool is None:
            return judge(
                text,
                gold,
                self.rule,
                self.thinking,
                markers,
                thinking_tokens,
                version=self.version,
                question=row.get("question"),
                truncated=truncated,
            )
        part = divide_by(self.thinking, text, markers)
        if part.unfinished or over_budget(self.thinking, thinking_tokens):
            return _unread(self.rule, gold, UNFINISHED if part.unfinished else OVER_BUDGET)
        extraction, verdict = ask(self.pool, text[part.start : part.end], gold, row)
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
    decoded: Decoded,
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
        text=decoded.text,
        finish_reason=completion.finish_reason if completion else "none",
        truncated=completion is not None and completion.finish_reason == "length",
        extraction=judgement.extraction,
        outcome=judgement.grade.outcome,
        reason=judgement.grade.reason,
        lenient=judgement.lenient,
        lenient_outcome=judgement.lenient_outcome,
        seed=seed,
        thinking_tokens=decoded.thinking_tokens,
        markers=decoded.markers,
        fields=fields,
        own_id=row.own_id,
    )
