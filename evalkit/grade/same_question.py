"""When two questions are one: case, spaces, hidden characters and the width of letters do not count."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

from evalkit.text import HIDDEN

_MEANS_MORE = ("<super>", "<sub>", "<fraction>")
"""Forms of digits that are no mere spelling: `3²` is not `32`, nor `1½` the text `11⁄2`."""
_ONE_SIGN = str.maketrans(
    {**dict.fromkeys("‘’‛ʼ′", "'"), **dict.fromkeys("“”‟″", '"'), "\u2800": " "}
    | dict.fromkeys("‐‑‒–—―−", "-")
)
_SPACE_AT_SIGN = re.compile(r" (?!\w)|(?<!\w) ")


def normal_text(question: str) -> str:
    """A text as questions are compared.

    Case, spaces beside signs and the number of others, characters that nobody sees, full-width and
    composed forms, and the shape of quotes and dashes do not count.
    """
    text = HIDDEN.sub("", " ".join(question.split()))
    if not text.isascii():
        text = _plain_letters(text.translate(_ONE_SIGN))
    return _SPACE_AT_SIGN.sub("", " ".join(text.casefold().split()))


def older_normal_text(question: str) -> str:
    """The same as locks had it whose hashes were written before: case and the number of spaces only."""
    return " ".join(question.casefold().split())


def _plain_letters(text: str) -> str:
    """Unicode's compatible form (NFKC), but for what is a number of its own."""
    pieces = groupby(text, lambda letter: unicodedata.decomposition(letter).startswith(_MEANS_MORE))
    return "".join(
        "".join(letters) if kept else unicodedata.normalize("NFKC", "".join(letters))
        for kept, letters in pieces
    )
