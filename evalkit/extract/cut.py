"""A completion that was cut off at its token limit may end in half an answer."""

from __future__ import annotations

import re

from evalkit.records import Extraction

# What may stand between half a number, a word or a formula and the rest of it.
_GOES_ON = re.compile(r"[ \t.,/_'’\\^-]*\Z")


def at_the_cut(text: str, found: Extraction) -> bool:
    """Whether an answer of a text that was cut off stands at its very end, and so may be half of one.

    A closed box, a quote, a line that ended or a word after the answer shows that it is whole.
    """
    return found.span is not None and _GOES_ON.match(text, found.span[1]) is not None
