"""When two questions are one: case, spaces, hidden characters and the width of letters do not count.

Locks hold hashes of `normal_text`: what is released never changes here.
"""

from __future__ import annotations

import re
import unicodedata

_MEANS_MORE = ("<super>", "<sub>", "<fraction>")
"""Forms of digits that are no mere spelling: `3²` is not `32`, nor `1½` the text `11⁄2`."""
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""As `evalkit.text.HIDDEN` was when the first hashes were written."""
_SIGNS = str.maketrans(
    {**dict.fromkeys("‘’‛ʼ′", "'"), **dict.fromkeys("“”‟″", '"'), "\u2800": " "}
    | dict.fromkeys("‐‑‒–—―−", "-")
)
_SPACE_AT_SIGN = re.compile(r" (?!\w)|(?<!\w) ")


def normal_text(question: str) -> str:
    """A text as questions are compared.

    Case, spaces beside signs and the number of others, characters that nobody sees, full-width and
    composed forms, and the shape of quotes and dashes do not count.
    """
    text = _HIDDEN.sub("", " ".join(question.split()))
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_PLAIN))
    return _SPACE_AT_SIGN.sub("", " ".join(text.casefold().split()))


def older_normal_text(question: str) -> str:
    """The same as locks had it whose hashes were written before: case and the number of spaces only."""
    return " ".join(question.casefold().split())


class _Plain(dict[int, str]):
    """What each character is compared as: its compatible form (NFKC), but for what is a number of its own."""

    def __missing__(self, code: int) -> str:
        letter = chr(code).translate(_SIGNS)
        if not unicodedata.decomposition(letter[0]).startswith(_MEANS_MORE):
            letter = unicodedata.normalize("NFKC", letter).translate(_SIGNS)
        self[code] = letter
        return letter


_PLAIN = _Plain()
