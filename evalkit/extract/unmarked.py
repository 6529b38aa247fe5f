"""Read an answer that no marker announces: rule `last-number`, and the last steps of `lenient`."""

from __future__ import annotations

from evalkit.extract.found import Found
from evalkit.extract.numbers import NUMBER, canonical

# Only the end of a text may hold its answer (characters).
_TAIL = 2000


def read_last_number(text: str, lo: int, hi: int) -> Found | None:
    """The last number of the text, wherever it stands."""
    last = None
    for match in NUMBER.finditer(text, max(lo, hi - _TAIL), hi):
        number = canonical(match.group())
        if number is not None:
            last = Found(number, match.start(), match.end())
    return last
