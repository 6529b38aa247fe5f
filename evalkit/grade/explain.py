"""Show a reading at work: what was left out, which answers stood for choice, which one won and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.extract.lenient import candidates
from evalkit.extract.reading import extract
from evalkit.extract.region import region
from evalkit.extract.rules import resolve_rule
from evalkit.extract.unmarked import read_affirmed
from evalkit.grade.judge import final_answer, moved
from evalkit.records import Extraction


@dataclass(frozen=True)
class Candidate:
    """An answer that a reader saw: its kind, text (None for a box that is not closed) and span."""

    kind: str
    answer: str | None
    span: tuple[int, int]


@dataclass(frozen=True)
class Explanation:
    """`region` is the part that may hold an answer, `why` one sentence on the choice."""

    extraction: Extraction
    region: tuple[int, int]
    candidates: tuple[Candidate, ...]
    why: str


def explain(text: str, rule: str = "lenient", thinking: Mapping[str, Any] | None = None) -> Explanation:
    """Explain what `extract(text, rule)` does, to a completion of a model whose lock says `thinking`.

    Raises UserError for an unknown rule.
    """
    resolve_rule(rule)
    part = final_answer(text, rule, thinking, None)
    answer = text[part.start : part.end]
    extraction = moved(extract(answer, rule), part.start)
    lo, hi = region(answer)
    found = candidates(answer, lo, hi)
    unmarked = read_affirmed(answer, lo, hi)
    if unmarked is not None:
        found.append(unmarked._replace(member="unmarked"))
    listed = tuple(
        Candidate(one.member, one.answer, (one.start + part.start, one.end + part.start)) for one in found
    )
    why = _why(extraction, rule, len(listed))
    if part.unfinished and extraction.answer is None:
        why = "a thinking block was never closed, so nothing in it is an answer"
    return Explanation(extraction, (lo + part.start, hi + part.start), listed, why)


def _why(extraction: Extraction, rule: str, count: int) -> str:
    name, _ = resolve_rule(rule)
    if not name.startswith("lenient@"):
        return f"rule {name} reads only its own marker"
    if extraction.answer is None:
        return "no marker holds an answer, and no sentence at the end claims a number"
    if extraction.rule.endswith("/unmarked"):
        return "nothing marks an answer, so the last sentence that claims a number counts"
    return "it is the only marked answer" if count == 1 else "of the marked answers the last one counts"
