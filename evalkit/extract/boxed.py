r"""Rule `boxed`: the last \boxed{...} (or \fbox) that holds anything.

Of several boxes the last one counts, never any. A box that is not closed is no answer, and no
earlier box takes its place: a policy could otherwise box a guess and keep writing.
"""

from __future__ import annotations

import re

from evalkit.extract.answer_span import AnswerSpan
from evalkit.extract.declared.braces import closing_brace
from evalkit.extract.declared.content import Content, read_content
from evalkit.extract.markers import occurrences

_NUMBER = re.compile(r"-?[0-9][0-9,.]*")
_PLACEHOLDER = re.compile(
    r"[\s.…?_]*|(?:your |the )?(?:final )?(?:answer|number|result)(?: here)?|N|答案", re.I
)

# A stem, what stands before it, and what stands in every text that has it. "\b" is a backspace where the
# text was decoded as JSON once too often.
_STEMS = (("oxed", ("\\b", "\b", "b"), ("oxed",)), ("box", ("\\f", "\f"), ("\\fbox", "\fbox")))


def read_boxed(text: str, lo: int, hi: int, read: Content = read_content) -> AnswerSpan | None:
    """The last box in text[lo:hi]; a AnswerSpan without answer where that box is not closed."""
    best = None
    if "{" not in text and "\\" not in text:
        return best
    for stem, starts, signs in _STEMS:
        if signs[0] not in text and signs[-1] not in text:
            continue
        for at in occurrences(text, stem, lo, hi):
            if text.endswith(starts, max(lo, at - 2), at):
                found = _read_box(text, at + len(stem), hi, read, text.startswith("\\", max(lo, at - 2)))
                if found is not None:
                    best = found if best is None or found.start > best.start else best
                    break
    return best


def _read_box(text: str, at: int, hi: int, read: Content, command: bool) -> AnswerSpan | None:
    """What a box holds whose name ends at `at`; a number without braces only after a real command."""
    while at < hi and text[at] in " \t":
        at += 1
    if at < hi and text[at] == "{":
        end = closing_brace(text, at, hi)
        if end < 0:
            return AnswerSpan(None, at, at)
        return None if _PLACEHOLDER.fullmatch(text, at + 1, end) else read(text, at + 1, end, False)
    number = _NUMBER.match(text, at, hi) if command else None
    return read(text, *number.span(), False) if number else None
