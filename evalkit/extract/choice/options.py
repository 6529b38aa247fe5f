"""How many options a question offers: letters beyond them are no answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

ALL = 26
_MARK = re.compile(r"(?:^|[\s(（\[])(?P<letter>[A-Z])(?:[)）\].:：、]|\.\s)(?=\s|\S)", re.MULTILINE)


@lru_cache(maxsize=4096)
def count_options(question: str) -> int:
    """Options that stand in a question, as "A) ... B) ... C) ..."; the whole alphabet where none do."""
    found = 0
    for mark in _MARK.finditer(question):
        letter = ord(mark["letter"]) - ord("A")
        if letter == 0:
            found = max(found, 1)
        elif letter == found:
            found += 1
    return found if found > 1 else ALL


def options_of(row: Mapping[str, object]) -> int:
    """Options of a row of a file: its `choices` or `options`, else those that stand in its `question`."""
    for key in ("choices", "options"):
        value = row.get(key)
        if isinstance(value, Mapping):
            value = value.get("text", value.get("label", list(value)))
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 1:
            return min(len(value), ALL)
    question = row.get("question")
    return count_options(question) if isinstance(question, str) else ALL
