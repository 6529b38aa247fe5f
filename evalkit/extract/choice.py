"""Rule `choice`: the letter of a multiple-choice answer, A to E."""

from __future__ import annotations

import re

from evalkit.extract.boxed import read_boxed
from evalkit.extract.found import Found

_DECLARED = re.compile(
    r"(?:\b(?:answer|choice|option)\b(?: is| would be|:|：|=)?|答案(?:是|为|：|:)?|选(?:择|项)?|【答案】|####)"
    r"[\s:：*_(（\[\"'$\\{]*(?:option |choice )?(?P<letter>[A-E])(?![A-Za-z0-9])"
)
_ALONE = re.compile(r"(?:^|\n)\s*[*_(（\[]*(?P<letter>[A-E])[*_)）\].,。]*\s*(?=$|\n)")
_BOXED = re.compile(r"[\s(\\text{]*(?P<letter>[A-E])(?![A-Za-z0-9])")


def read_choice(text: str, lo: int, hi: int) -> Found | None:
    """The boxed letter, else the last declared one, else a line that is only a letter."""
    box = read_boxed(text, lo, hi)
    if box is not None:
        letter = _BOXED.match(text, box.start, hi) if box.answer else None
        return _found(letter) if letter else Found(None, box.start, box.end)
    for pattern in (_DECLARED, _ALONE):
        last = None
        for last in pattern.finditer(text, lo, hi):
            pass
        if last:
            return _found(last)
    return None


def _found(match: re.Match[str]) -> Found:
    return Found(match["letter"], match.start("letter"), match.end("letter"))
