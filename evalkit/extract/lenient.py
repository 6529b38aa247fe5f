"""Rule `lenient`: a cascade that reads an answer however it is written.

Order and reasons stand in docs/extraction.md.
"""

from __future__ import annotations

from evalkit.extract.boxed import read_boxed
from evalkit.extract.found import Found
from evalkit.extract.markers import read_heading, read_json, read_tag
from evalkit.extract.phrase import read_phrase
from evalkit.extract.unmarked import read_unmarked

MARKED = (read_boxed, read_heading, read_json, read_tag, read_phrase)


def read_lenient(text: str, lo: int, hi: int) -> Found | None:
    """The marked answer that stands last; without any, what the end of the text says."""
    best = None
    for reader in MARKED:
        found = reader(text, lo, hi)
        if found is not None and (best is None or found.start > best.start):
            best = found
    return best if best is not None else read_unmarked(text, lo, hi)
