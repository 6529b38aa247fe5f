r"""Whether what stands right beside a number makes it another one: "sqrt(2)", "pi/2", "5²", "half of 2".

Part of the rules from their third version on: such a number is not the value of what is declared, which is
kept as text.
"""

from __future__ import annotations

import re

_BEFORE = 28
_MINUS = "‐‑‒⁻˗➖﹘"
_LEFT = re.compile(
    r"(?:(?<![A-Za-z\\])(?:sqrt|cbrt|log(?:_?\w{1,3})?|ln|lg|exp|sin|cos|tan|arcsin|arccos|arctan|abs|floor|ceil)\s?[({]?\s?"
    r"|\b(?:square|cube|cubic|fourth|\d+th)\sroot\sof\s|\b(?:half\sof|a\sthird\sof|a\squarter\sof|twice|double|triple)\s"
    r"|(?<![A-Za-z])(?:pi|π|[A-Za-vx-z])\s?/\s?|[¬√∛∜]\s?|\blog_\{?\w{1,3}\}?\s?)[$({]*$",
    re.IGNORECASE,
)
_RIGHT = re.compile(
    r"\s?(?:pi\b|π|√|sqrt\b|\\pi\b|\\sqrt\b)|[²³⁴⁵⁶⁷⁸⁹⁰¹ⁿ‰‱]|\s(?:squared|cubed|factorial)\b(?=[\s$*)}]*(?:[.,;]|$))"
    r"|\s?(?:times|\*|×|·)\s?(?:pi\b|π|sqrt|√|[b-z]\b)"
)
# For a quick look: what may stand right before such a number.
_NEAR = 12
_ENDINGS = (
    "/", "¬", "√", "∛", "∜", "qrt", "brt", "ln", "lg", "exp", "sin", "cos", "tan", "abs", "oor", "eil", " of",
    "wice", "uble", "iple", "QRT",
)  # fmt: skip
_STRUCK = re.compile(r"\s?(?:~~|</(?:del|s|strike)>)")
_STRIKES = ("~~", "<del>", "<s>")


def is_altered(text: str, lo: int, start: int, end: int, hi: int) -> bool:
    """Whether text[start:end] is part of a formula in words or signs, of which it is not the value."""
    before = text[lo if start - lo < _NEAR else start - _NEAR : start].rstrip(" $({[*")
    likely = before.endswith(_ENDINGS) or "og" in before
    if likely and _LEFT.search(text, max(lo, start - _BEFORE), start):
        return True
    return end < hi and text[end] not in ".,;:!?\"'=<])}$\n" and _RIGHT.match(text, end, hi) is not None


def is_negative(text: str, lo: int, start: int) -> bool:
    """Whether a sign that only looks like a minus stands before a number, and nothing before it."""
    return start > lo and text[start - 1] in _MINUS and not text[lo : start - 1].rstrip()[-1:].isalnum()


def is_struck(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is struck out: ~~5~~, <del>5</del>."""
    return _STRUCK.match(text, end) is not None and text[max(0, start - 5) : start].rstrip().endswith(
        _STRIKES
    )
