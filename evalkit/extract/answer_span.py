"""What the rules hand to each other: an answer and where it stands."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple


class AnswerSpan(NamedTuple):
    """An answer with its span (characters of the whole text).

    `answer` is None where a place that declares the answer holds none, which ends the search:
    nothing earlier may take its place. A cascade names its member and the answers it passed over.
    """

    answer: str | None
    start: int
    end: int
    member: str = ""
    alternatives: tuple[str, ...] = ()


Reader = Callable[[str, int, int], AnswerSpan | None]
Readers = dict[str, Reader]


def last_match(pattern: re.Pattern[str], text: str, lo: int, hi: int) -> re.Match[str] | None:
    """The last of the matches of a pattern in text[lo:hi]."""
    matches = deque(pattern.finditer(text, lo, hi), maxlen=1)
    return matches[0] if matches else None


def holds_any(text: str, parts: Iterable[str]) -> bool:
    """Whether one of the parts stands in a text."""
    for part in parts:  # noqa: SIM110 (a generator takes twice the time)
        if part in text:
            return True
    return False
