"""Rule `lenient`: a cascade that reads an answer however it is written.

Order and reasons stand in docs/extraction.md.
"""

from __future__ import annotations

from evalkit.extract.boxed import read_boxed
from evalkit.extract.found import Found
from evalkit.extract.markers import read_hash, read_json, read_phrase
from evalkit.extract.unmarked import read_last_number


def read_lenient(text: str, lo: int, hi: int) -> Found | None:
    """The marked answer that stands last; without any, what the end of the text says."""
    marked = [
        found
        for found in (
            read_boxed(text, lo, hi),
            read_hash(text, lo, hi, least=3),
            read_json(text, lo, hi),
            read_phrase(text, lo, hi),
        )
        if found is not None
    ]
    if marked:
        return max(marked, key=lambda found: found.start)
    return read_last_number(text, lo, hi)
