"""Rule `choice`: the letter of a multiple-choice answer, A to E."""

from __future__ import annotations

import re

from evalkit.extract.answer_span import AnswerSpan, last_match
from evalkit.extract.boxed import read_boxed
from evalkit.extract.markers import occurrences

_STEMS = ("nswer", "NSWER", "hoice", "ption", "答案", "选", "####")
_LETTER = re.compile(
    r"(?: is| would be| should be|是|为|择|项)?[\s:：*_(（\[\]】\"'$\\{=]{0,12}"
    r"(?:option |choice |text\{)?[(（*]{0,2}(?P<letter>[A-E])(?![A-Za-z0-9'’])"
    r"(?![)*]{0,2}\s?(?:or|and|,|/|&)\s?\(?[A-E]\b)"
)
_ALONE = re.compile(r"\n[ \t*_(（\[]{0,8}(?P<letter>[A-E])[*_)）\].,。 \t]{0,8}(?=\n)")
# Possessive, for linear time: what it takes can begin nothing that follows.
_BOXED = re.compile(r"[\s({$\\]*+(?:text\w*\{)?[\s(]*(?P<letter>[A-E])(?![A-Za-z0-9])")
# Where a line may stand that is only a letter (characters from the end).
_TAIL = 2000


def read_choice(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """The boxed letter, else the last declared one, else the last line that is only a letter."""
    box = read_boxed(text, lo, hi)
    if box is not None:
        letter = _BOXED.match(text, box.start, hi) if box.answer else None
        return _found(letter, 0) if letter else AnswerSpan(None, box.start, box.end)
    best = None
    for stem in _STEMS:
        for at in occurrences(text, stem, lo, hi):
            letter = _LETTER.match(text, at + len(stem), hi)
            if letter:
                best = letter if best is None or letter.start() > best.start() else best
                break
    if best is not None:
        return _found(best, 0)
    lo = max(lo, hi - _TAIL)
    alone = "\n" + text[lo:hi] + "\n"
    best = last_match(_ALONE, alone, 0, len(alone))
    return _found(best, lo - 1) if best is not None else None


def _found(match: re.Match[str], shift: int) -> AnswerSpan:
    return AnswerSpan(match["letter"], match.start("letter") + shift, match.end("letter") + shift)
