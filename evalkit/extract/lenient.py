"""Rule `lenient`: a cascade that reads an answer however it is written.

Order and reasons stand in docs/extraction.md.
"""

from __future__ import annotations

from functools import partial

from evalkit.extract.answer_span import AnswerSpan, Reader, Readers
from evalkit.extract.boxed import read_boxed
from evalkit.extract.declared.kept import keep_box, keep_declared
from evalkit.extract.declared.whole import read_box, read_declared
from evalkit.extract.markers import read_heading, read_json, read_tag
from evalkit.extract.phrase import read_phrase
from evalkit.extract.unmarked import read_affirmed

# Readers of marked answers, by the name that an Extraction gives: "lenient@1/boxed".
FIRST: Readers = {
    "boxed": read_boxed,
    "hash": read_heading,
    "json": read_json,
    "tag": read_tag,
    "answer-is": read_phrase,
}
# As first released, but for what they make of a declared answer: a formula is kept whole.
SECOND: Readers = {
    "boxed": partial(read_boxed, read=read_box),
    "hash": partial(read_heading, read=read_declared),
    "json": partial(read_json, read=read_declared),
    "tag": partial(read_tag, read=read_declared),
    "answer-is": partial(read_phrase, read=read_declared),
}
# And so are the names of numbers, and hedges.
MARKED: Readers = {
    "boxed": partial(read_boxed, read=keep_box),
    "hash": partial(read_heading, read=keep_declared),
    "json": partial(read_json, read=keep_declared),
    "tag": partial(read_tag, read=keep_declared),
    "answer-is": partial(read_phrase, read=keep_declared),
}


def read_lenient(
    text: str, lo: int, hi: int, readers: Readers = MARKED, end_of_text: Reader = read_affirmed
) -> AnswerSpan | None:
    """The marked answer that stands last; without any, what the end of the text says."""
    found = candidates(text, lo, hi, readers)
    if not found:
        unmarked = end_of_text(text, lo, hi)
        return unmarked and AnswerSpan(unmarked.answer, unmarked.start, unmarked.end, "unmarked")
    if len(found) == 1:
        return found[0]
    best = max(found, key=lambda candidate: candidate.start)
    others = {candidate.answer for candidate in found if candidate.answer not in (None, best.answer)}
    return best._replace(alternatives=tuple(sorted(filter(None, others))))


def candidates(text: str, lo: int, hi: int, readers: Readers = MARKED) -> list[AnswerSpan]:
    """The last marked answer of each kind."""
    found = []
    for name in _possible(text):
        candidate = readers[name](text, lo, hi)
        if candidate is not None:
            found.append(AnswerSpan(candidate.answer, candidate.start, candidate.end, name))
    return found


def _possible(text: str) -> list[str]:
    """The kinds that a text may hold, by what stands in each: single signs first, which are found fast."""
    kinds = ["boxed"] if "{" in text or "\\" in text else []
    if "#" in text and "###" in text:
        kinds.append("hash")
    if ('"' in text or "'" in text) and (":" in text or "：" in text):
        kinds.append("json")
    if "<" in text and "</answer>" in text:
        kinds.append("tag")
    kinds.append("answer-is")
    return kinds
