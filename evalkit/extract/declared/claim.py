"""Read the one number that a sentence claims, where it holds several.

"It takes John 12 minutes to speak 10 pages" claims 12. The rules are grammatical, in this order:
what an equation ends in; what a verb of being or a "total of" introduces; the first number that no
preposition makes a circumstance; the last number.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from evalkit.extract.answer_span import AnswerSpan, last_match
from evalkit.extract.numbers import NUMBER, canonical

CLOCK = re.compile(r"\d{1,3}(?:\s?[:：]\s?\d{1,3}){1,2}(?:\s?[apAP]\.?\s?[mM]\b\.?)?(?![\d:])")
DATE = re.compile(r"\d{1,4}([/.-])\d{1,2}\1\d{1,4}(?!\d)")
_TWO_UNKNOWNS = re.compile(
    r"(?<![A-Za-z])([A-Za-z])\s*=\s*[-$]?\d[\d.]*\s*(?:,|;|and)\s*(?!\1)[A-Za-z]\s*=\s*[-$]?\d[\d.]*"
)
# A number that is only denied or set beside the claimed one: "not 20 but 18", ", which is 3 more than Jim".
_DENIED = re.compile(r"(?:\bnot\s(?:[A-Za-z]+\s)?|,\s(?:which|that)\s(?:is|was|are|were)\s)[$€£]?$", re.I)
_RELATIVE = re.compile(r"[^.,;]{0,20}\s(?:more|less|fewer|times|higher|lower|greater|older|younger)\b")
_MINUS = re.compile(r"(?:^|[^\d)\s])\s*\b(?:minus|negative)\s+[$€£]?$", re.IGNORECASE)


class Number(NamedTuple):
    """A number in a sentence: its canonical string and its span in the whole text."""

    value: str
    start: int
    end: int


EQUALS = re.compile(
    r"(?<![<>!:≤≥\\])={1,2}(?![=>])|≈|≒|\\approx(?![a-z])|=>|→|⇒|\\(?:implies|Rightarrow|to)(?![a-z])"
)
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b|\s?(?:º|ª|°\.)")
_LIST_MARK = re.compile(r"[)）]\s|\.\s[A-Z]")
# Two amounts that only together are one answer, or none.
_COMPOUND = re.compile(r"\d[\d.,]*\s[^\W\d_]+(?:\s[^\W\d_]+)?\sand\s[$€£]?\d[\d.,]*\s[^\W\d_]+")
_NAMED = re.compile(
    r"(?:[#№]|\b(?:step|question|problem|line|option|case|part|no\.|number|day|week|version|figure|table))\s?$",
    re.I,
)
_SUBORDINATE = re.compile(
    r"\s*(?:if|since|when|because|as|after|before|given|while|for|in|on|with|over|by|to|during|at|from"
    r"|si|wenn|da|als|après|cuando|если|когда)\b[^.]*?,(?!\d)\s*",
    re.IGNORECASE,
)
_CONCLUSION = re.compile(
    r"[,;.:]\s*(?:and\s+)?(?:so|thus|therefore|hence|then|which means|meaning|also|donc"
    r"|por lo tanto|所以|因此)\b",
    re.I,
)
_CLAIMED = re.compile(
    r"(?:\b(?:is|are|was|were|be|equals?|equal to|becomes?"
    r"|total(?:s|ing)?(?: of)?|sum of|comes to|amounts? to"
    r"|makes it|resulting in|to get|to obtain|giving|gives|yields|yielding|leaving|leaves"
    r"|left with|ends? up with"
    r"|profit of|cost of|for a total of|altogether"
    r"|es|son|será|est|sont|ist|sind|beträgt|é|è|são|sono)\b|равн[аоы]|составля[её]т|是|为|為|等于|等於|共|は|[:：])"
    r"(?:\s+(?:a|an|the|only|just|"
    r"about|exactly|approximately|around|still|now|then|therefore|thus|also|equal to"
    r"|total of|un total de))*\s*[*_(\"'\\$€£¥~≈]*$",
    re.IGNORECASE,
)
_CIRCUMSTANCE = re.compile(
    r"\b(?:in|after|before|by|over|for|every|each|per|of|from|at|age|aged|first|last|next"
    r"|within|out of|than"
    r"|with|on|during|until|since|past"
    r"|those|these|his|her|their|its|another|the|all|both|to \w+|if|when|\w+ing)"
    r"\s+(?:the\s+|a\s+|these\s+|all\s+)?[*_(\"'\\$€£¥]*$|[每在]$",
    re.IGNORECASE,
)


def numbers_in(text: str, lo: int, hi: int, decimal_comma: bool = False) -> list[Number]:
    """The numbers in text[lo:hi] that stand for an amount: no list marks, no "step 3", nothing struck out.

    Ordinals count only where nothing else does: "the 5th day" against "in 5th place".
    """
    amounts: list[Number] = []
    ordinals: list[Number] = []
    for match in NUMBER.finditer(text, lo, hi):
        value = canonical(match.group(), decimal_comma)
        if (
            value is None
            or _LIST_MARK.match(text, match.end(), hi)
            or _is_named(text, lo, match.start())
            or (text.startswith("~~", match.end()) and text.startswith("~~", max(0, match.start() - 2)))
        ):
            continue
        number = Number(signed(value, text, match.start()), match.start(), match.end())
        (ordinals if _ORDINAL.match(text, match.end(), hi) else amounts).append(number)
    return amounts or ordinals


def _is_named(text: str, lo: int, at: int) -> bool:
    """Whether the number at `at` is part of a name: "step 3", "#3"."""
    begin = max(lo, at - 12)
    last = text[begin:at].rstrip()[-1:]
    return (last.isalpha() or last in ("#", "№", ".")) and _NAMED.search(text, begin, at) is not None


def read_claim(text: str, lo: int, hi: int, decimal_comma: bool = False) -> AnswerSpan | None:
    """The number that the sentence text[lo:hi] claims; None where it holds no number.

    A clock time, a date or "18 hours and 30 minutes" is more than the number it begins with: the
    answer is then the text.
    """
    numbers = numbers_in(text, lo, hi, decimal_comma)
    if not numbers:
        return None
    claimed = _claimed(text, lo, hi, numbers)
    begin, end = max(lo, claimed.start - 24), min(hi, claimed.end + 60)
    for whole in _wholes(text[begin:end]):
        for match in whole.finditer(text, begin, end):
            if match.start() <= claimed.start < match.end():
                return AnswerSpan(match.group(), match.start(), match.end())
            if match.start() > claimed.start:
                break
    return AnswerSpan(*claimed)


def _wholes(near: str) -> list[re.Pattern[str]]:
    """What a number in a text may be a part of, by the signs that each has."""
    wholes = []
    if ":" in near or "：" in near:
        wholes.append(CLOCK)
    if "-" in near or "/" in near or "." in near:
        wholes.append(DATE)
    if "and" in near:
        wholes.append(_COMPOUND)
    if "=" in near:
        wholes.append(_TWO_UNKNOWNS)
    return wholes


def signed(value: str, text: str, at: int) -> str:
    """The number at `at` with its sign, where that is a word before it: "minus 3"."""
    if value == "0" or value.startswith("-"):
        return value
    before = text[max(0, at - 24) : at].lower()
    if ("minus" in before or "negative" in before) and _MINUS.search(text, max(0, at - 24), at):
        return f"-{value}"
    return value


def _claimed(text: str, lo: int, hi: int, numbers: list[Number]) -> Number:
    if len(numbers) == 1:
        return numbers[0]
    equals = last_match(EQUALS, text, lo, hi)
    if equals:
        after = [number for number in numbers if number.start >= equals.end()]
        if after:
            return after[0]
    numbers = _outside_brackets(text, lo, numbers)
    numbers = [n for n in numbers if not _is_beside(text, lo, hi, n)] or numbers
    opening = _SUBORDINATE.match(text, lo, hi)
    if opening:
        numbers = [number for number in numbers if number.start >= opening.end()] or numbers
    for conclusion in _CONCLUSION.finditer(text, lo, hi):
        numbers = [number for number in numbers if number.start >= conclusion.end()] or numbers
    claimed = [n for n in numbers if _CLAIMED.search(text, max(lo, n.start - 40), n.start)]
    if claimed:
        return claimed[-1]
    free = [n for n in numbers if not _CIRCUMSTANCE.search(text, max(lo, n.start - 24), n.start)]
    return free[0] if free else numbers[-1]


def _is_beside(text: str, lo: int, hi: int, number: Number) -> bool:
    before = _DENIED.search(text, max(lo, number.start - 24), number.start)
    return before is not None and (
        before.group()[0] != "," or _RELATIVE.match(text, number.end, hi) is not None
    )


def _outside_brackets(text: str, lo: int, numbers: list[Number]) -> list[Number]:
    """Without the numbers in round brackets, where that leaves any."""
    depth, at, outside = 0, lo, []
    for number in numbers:
        depth = max(0, depth + text.count("(", at, number.start) - text.count(")", at, number.start))
        at = number.start
        if depth == 0:
            outside.append(number)
    return outside or numbers
