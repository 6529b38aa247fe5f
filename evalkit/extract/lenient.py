"""Rule `lenient`: a cascade that reads an answer however it is written.

Order and reasons stand in docs/extraction.md.
"""

from __future__ import annotations

from collections.abc import Callable

from evalkit.extract.answer_span import AnswerSpan
from evalkit.extract.boxed import read_boxed
from evalkit.extract.markers import read_heading, read_json, read_tag
from evalkit.extract.phrase import read_phrase
from evalkit.extract.unmarked import read_unmarked

# Readers of marked answers, by the name that an Extraction gives: "lenient@1/boxed".
MARKED: dict[str, Callable[[str, int, int], AnswerSpan | None]] = {
    "boxed": read_boxed,
    "hash": read_heading,
    "json": read_json,
    "tag": read_tag,
    "answer-is": read_phrase,
}


def read_lenient(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """The marked answer that stands last; without any, what the end of the text says."""
    found = candidates(text, lo, hi)
    if not found:
        unmarked = read_unmarked(text, lo, hi)
        return unmarked and unmarked._replace(member="unmarked")
    best = max(found, key=lambda candidate: candidate.start)
    if len(found) == 1:
        return best
    others = {candidate.answer for candidate in found if candidate.answer not in (None, best.answer)}
    return best._replace(alternatives=tuple(sorted(filter(None, others))))


def candidates(text: str, lo: int, hi: int) -> list[AnswerSpan]:
    """The last marked answer of each kind."""
    found = []
    for name, reader in MARKED.items():
        candidate = reader(text, lo, hi)
        if candidate is not None:
            found.append(candidate._replace(member=name))
    return found
