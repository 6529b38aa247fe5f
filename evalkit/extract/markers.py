"""Rules that look for a marker: `hash` (####), `json` (an answer field), answer tags."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evalkit.extract.answer_span import AnswerSpan
from evalkit.extract.declared.content import Content, is_announcement, read_content
from evalkit.extract.numbers import canonical

# Markers are tried from the last one back; a text with more that say nothing has no answer.
MOST_TRIED = 64

_ANSWER_LABEL = re.compile(r"(?:the )?(?:final )?answer(?: is)?\s*[:：=]?\s*", re.IGNORECASE)
_HEADING = re.compile(r"\d{1,3}\s*[.):：、]\s*[^\W\d]|[^\W\d_]")
_JSON_FIELD = re.compile(r"[\"']\s*[:：]\s*")
_JSON_VALUE = re.compile(
    r"\"(?P<double>(?:[^\"\\]|\\.){0,2000})\"|'(?P<single>(?:[^'\\\n]|\\.){0,2000})'|(?P<bare>[^\s,\"'}\]\[][^,\n}\]]{0,200})"
    r"|\[(?P<list>[^\]]{0,200})\]"
)
_JSON_STEMS = tuple((stem, f'{stem}"', f"{stem}'") for stem in ("nswer", "NSWER", "esult"))


def occurrences(text: str, marker: str, lo: int, hi: int) -> Iterator[int]:
    """Where a marker stands in text[lo:hi], from the last place back."""
    for _ in range(MOST_TRIED):
        at = text.rfind(marker, lo, hi)
        if at < 0:
            return
        yield at
        hi = at


def read_hash(text: str, lo: int, hi: int, read: Content = read_content) -> AnswerSpan | None:
    """What follows the last `####` on its line, or on the next line where nothing follows."""
    for at in occurrences(text, "####", lo, hi):
        found = _after_hashes(text, at + 4, hi, read)
        if found is not None:
            return found
    return None


def read_heading(text: str, lo: int, hi: int, read: Content = read_content) -> AnswerSpan | None:
    """Like `hash`, but with three or more hashes, and no title of a section: a value, or the last line."""
    for at in occurrences(text, "###", lo, hi):
        found = _after_hashes(text, at + 3, hi, read)
        if found is None:
            continue
        start = found.start if found.answer is None else _line_start(text, at, hi)
        if not _HEADING.match(text, start, hi) or (
            text.startswith("#", at - 1) and not text[found.end : hi].strip(" .*$\n")
        ):
            return found
    return None


def _line_start(text: str, at: int, hi: int) -> int:
    """Where the title begins that follows the hashes at `at`, past a label such as "Answer:"."""
    while at < hi and text[at] in "# \t*:：\u200b$\r\n":
        at += 1
    label = _ANSWER_LABEL.match(text, at, hi)
    return label.end() if label and label.end() > at else at


def _after_hashes(text: str, at: int, hi: int, read: Content) -> AnswerSpan | None:
    while at < hi and text[at] in " \t:：#*\u200b":
        at += 1
    if at < hi and text[at] in "\r\n":
        while at < hi and text[at].isspace():
            at += 1
    end = text.find("\n", at, hi)
    end = hi if end < 0 else end
    label = _ANSWER_LABEL.match(text, at, end)
    return read(text, label.end() if label else at, end, False)


def read_json(text: str, lo: int, hi: int, read: Content = read_content) -> AnswerSpan | None:
    """The value of the last answer field of a JSON object (which need not be valid JSON)."""
    for stem, double, single in _JSON_STEMS:
        if stem not in text or (double not in text and single not in text):
            continue
        for at in occurrences(text, stem, lo, hi):
            field = _JSON_FIELD.match(text, at + 5, hi)
            value = _JSON_VALUE.match(text, field.end(), hi) if field else None
            if value and value.lastgroup:
                found = read(text, value.start(value.lastgroup), value.end(value.lastgroup), False)
                if found is not None and not is_announcement(found.answer or ""):
                    return _unescaped(found)
    return None


def _unescaped(found: AnswerSpan) -> AnswerSpan:
    """LaTeX has its backslashes doubled in JSON."""
    if found.answer is None or "\\\\" not in found.answer:
        return found
    answer = found.answer.replace("\\\\", "\\")
    return found._replace(answer=canonical(answer) or answer)


def read_tag(text: str, lo: int, hi: int, read: Content = read_content) -> AnswerSpan | None:
    """What stands in the last closed <answer>...</answer>."""
    for close in occurrences(text, "</answer>", lo, hi):
        opening = text.rfind("<answer>", lo, close)
        if opening >= 0:
            return read(text, opening + 8, close, False)
    return None
