"""Braces that belong together."""

from __future__ import annotations

import re

_BRACE = re.compile(r"[{}]|\\[{}\\]")
# A brace that stays open for longer than this is not closed (characters).
_LONGEST = 20_000


def closing_brace(text: str, at: int, hi: int | None = None) -> int:
    """The place of the brace that closes the one at `at`, -1 where none does."""
    depth = 0
    for brace in _BRACE.finditer(text, at, min(len(text) if hi is None else hi, at + _LONGEST)):
        if brace.group() == "{":
            depth += 1
        elif brace.group() == "}":
            depth -= 1
            if depth == 0:
                return brace.start()
    return -1
