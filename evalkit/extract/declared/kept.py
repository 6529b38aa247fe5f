r"""Read a declared answer and keep what tells it apart, in the rules' third version.

The second version (`whole`) reads the number of `x = 5`, `7 apples or 8 apples` and `> 5`. Here a name of one
letter stays ("x = 5", since y = 5 is another answer), and a hedge or a bound stays text.
"""

from __future__ import annotations

import re
from functools import lru_cache

from evalkit.extract.answer_span import AnswerSpan
from evalkit.extract.declared.altered import is_altered, is_negative, is_struck
from evalkit.extract.declared.content import Content
from evalkit.extract.declared.denied import is_denied
from evalkit.extract.declared.revised import same_twice
from evalkit.extract.declared.whole import read_box, read_declared
from evalkit.extract.declared.words import may_offer, one_value
from evalkit.extract.numbers import canonical

_LONGEST = 200
_AROUND = 40
_NUMBER = re.compile(r"-?\d")
_NAMED = re.compile(r"[\s$*\\(\[]*(?P<name>(?<!\\)[A-Za-z])\s*=(?![=<>])")
_BOUND = re.compile(
    r"\s*\$?\s*(?:[?¿<>≤≥≠]|\\(?:leq?|geq?|neq?|lt|gt)(?![a-z])|(?:\\text\w*\s?\{\s*)?(?:over|under|above|below|beyond)\b)",
    re.IGNORECASE,
)
# Two whole numbers that are said to be equal and are not: "5 = 6".
_UNEQUAL = re.compile(r"\s*\$?(?P<left>\d{1,18})\s*=\s*(?!(?P=left)\b)\d{1,18}\s*\$?\.?\s*")
_WORDS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_HEDGED = re.compile(
    r"(?:\d|\b(?:" + _WORDS + r"))\s*(?P<unit>[^\W\d_]+)?\}?\s*[(（,;/]?\s*(?:\\text\s*\{\s*)?[(（]?"
    r"\b(?:or|oder|ou|else|maybe|perhaps|possibly|alternatively)\b"
    r"\s*(?:[^\W\d_]+\s+){0,2}(?:[A-Za-z]\s*=\s*)?(?:[$€£]?-?\d+(?:[.,]\d+)*+(?:\s*(?P=unit)|\s*(?:[)）.,;!?}]|$))|(?:"
    + _WORDS
    + r")\b)",
    re.IGNORECASE,
)
# In a sentence: of two numbers the first has no unit, "5 or 6 apples".
_OFFERED = re.compile(
    r"\d[$€%]?\s+or\s+(?:maybe\s+|perhaps\s+|possibly\s+|even\s+)?(?:[A-Za-z]\s*=\s*)?[$€£]?-?\d[\d.,]*",
    re.IGNORECASE,
)


def is_hedged(text: str, lo: int, start: int, end: int, hi: int) -> bool:
    """Whether the number text[start:end] is one of two that a sentence offers: "5 or 6 apples"."""
    begin, stop = max(lo, start - _AROUND), min(hi, end + _AROUND)
    if " or " not in text[begin:stop]:
        return False
    offers = (*_HEDGED.finditer(text, begin, stop), *_OFFERED.finditer(text, begin, stop))
    return any(
        offer.start() < end and start < offer.end() and not one_value(offer.group()) for offer in offers
    )


def keep(read: Content, names: bool = True) -> Content:
    """A reader of declared content that keeps hedges and bounds, and `names` where they are asked for."""

    def kept(text: str, lo: int, hi: int, decimal_comma: bool = False) -> AnswerSpan | None:
        found = read(text, lo, hi, decimal_comma)
        if found is None or found.answer is None or not _NUMBER.match(found.answer):
            return found
        if found.start == lo and found.end == hi and found.answer.isdecimal():
            return found
        if canonical(found.answer) is None and len(found.answer) < _LONGEST:
            return same_twice(text, found.start, found.end) or found
        if found.start == lo and found.end == hi:
            return found
        if is_struck(text, found.start, found.end):
            return AnswerSpan(None, lo, hi)
        hi = min(hi, lo + _LONGEST)
        hedge = _HEDGED.search(text, lo, hi) if may_offer(text[lo:hi]) else None
        if (
            _BOUND.match(text, lo, hi)
            or (hedge and not one_value(hedge.group()))
            or _UNEQUAL.fullmatch(text, lo, hi)
            or is_denied(text, lo, found.start, found.end, hi)
            or is_altered(text, lo, found.start, found.end, hi)
        ):
            return AnswerSpan(text[lo:hi].strip(), lo, hi)
        if is_negative(text, lo, found.start) and found.answer[0] != "-":
            return found._replace(answer=f"-{found.answer}", start=found.start - 1)
        named = _NAMED.match(text, lo, hi) if names else None
        if named and found.end > named.end() and text.find("=", named.end(), found.end) < 0:
            return found._replace(answer=f"{named['name']} = {found.answer}", start=named.start("name"))
        return found

    return kept


keep_box = keep(read_box)
# What a field of JSON holds is also what follows its word "answer": the same part is read twice.
keep_declared = lru_cache(maxsize=4)(keep(read_declared))
keep_number = keep(read_declared, names=False)
