r"""Rule `boxed`: the last \boxed{...} (or \fbox) that holds anything.

Of several boxes the last one counts, never any. A box that is not closed is no answer, and no
earlier box takes its place: a policy could otherwise box a guess and go on writing.
"""

from __future__ import annotations

import re

from evalkit.extract.content import read_content
from evalkit.extract.found import Found

_NUMBER = re.compile(r"\s*(-?[0-9][0-9,.]*)")
_BRACE = re.compile(r"[{}]|\\[{}\\]")
# A box that stays open for longer than this is not closed (characters).
_LONGEST = 20_000
_PLACEHOLDER = re.compile(r"[\s.…?_]*|(?:your |the )?(?:final )?(?:answer|number|result)(?: here)?|N|答案", re.I)


def read_boxed(text: str, lo: int, hi: int) -> Found | None:
    """The last box in text[lo:hi]; a Found without answer where that box is not closed."""
    while True:
        at = max(text.rfind("boxed", lo, hi), text.rfind("\\fbox", lo, hi))
        if at < 0:
            return None
        found = _read_box(text, at + 5, hi)
        if found is not None:
            return found
        hi = at


def _read_box(text: str, at: int, hi: int) -> Found | None:
    while at < hi and text[at] in " \t":
        at += 1
    if at < hi and text[at] == "{":
        end = closing_brace(text, at, hi)
        if end < 0:
            return Found(None, at, at)
        if _PLACEHOLDER.fullmatch(text, at + 1, end):
            return None
        return read_content(text, at + 1, end)
    number = _NUMBER.match(text, at, hi)
    return read_content(text, number.start(1), number.end(1)) if number else None


def closing_brace(text: str, at: int, hi: int) -> int:
    """The place of the brace that closes the one at `at`, -1 where none does."""
    depth = 0
    for brace in _BRACE.finditer(text, at, min(hi, at + _LONGEST)):
        if brace.group() == "{":
            depth += 1
        elif brace.group() == "}":
            depth -= 1
            if depth == 0:
                return brace.start()
    return -1
