"""Read the answer from a span that is declared to hold it: a box, the rest of a line, a JSON value."""

from __future__ import annotations

import re

from evalkit.extract.found import Found
from evalkit.extract.numbers import NUMBER, canonical

# More than this is no answer but prose: it is read in its first part only (characters).
_LONGEST = 1000

_MARKUP = " \t\r\n\f\v\x00*_`\"'“”„«»「」\u00a0\u200b\u200c\u200d\u2060\ufeff"
_OPENERS = _MARKUP + "$:：=≈~〜>"
_CLOSERS = _MARKUP + "$.。．،!！?？;；,，、"
_WRAPPED = re.compile(
    r"\\[(\[]\s*(?P<math>.*?)\s*\\[)\]]|\$\$?(?P<dollar>[^$]+)\$\$?"
    r"|\\(?:boxed|fbox|text|textbf|mathbf|mathrm|bm|bf|mathit|texttt|displaystyle)\s*\{(?P<braced>.*)\}",
    re.DOTALL,
)
_SIMPLE = re.compile(r"[ \t*$]*(-?[0-9]{1,18})[ \t*$]*[.。]?\s*")
_TAG = re.compile(r"<[/|]?[A-Za-z][\w|]{0,30}\|?>|\x1b\[[0-9;]*m")
_EQUALS = re.compile(r"(?<![<>!:≤≥\\])=(?![=>])|≈|\\approx|\\Rightarrow|=>|→|⇒|\\implies")
_CLOCK = re.compile(r"\d{1,3}(?:\s?[:：]\s?\d{1,3}){1,2}(?:\s?[apAP]\.?\s?[mM]\b\.?)?")
_DATE = re.compile(r"\d{1,4}([/.-])\d{1,2}\1\d{1,4}(?![\d])")
_RANGE = re.compile(
    r"\d\s*(?:-|–|—|~|to|bis|至|到|\\text\{ to \})\s*\$?\d|\b(?:between|from)\b.*\d.*\d|\d\s*(?:±|\\pm)\s*\d"
)
_SEVERAL = re.compile(r"\d\S*\s*(?:\band\b|\bor\b|\bund\b|\boder\b|\by\b|\bo\b|\bet\b|\bou\b|和|或|,\s)\s*\S?\d")
# LaTeX or algebra that is more than one number with a unit.
_ALGEBRA = re.compile(
    r"\\(?:sqrt|pi|sin|cos|tan|log|ln|exp|theta|alpha|beta|infty|cup|cap|in|pm|le|ge|leq|geq|begin|left|right"
    r"|overline|binom|emptyset|mathbb|lambda|sigma|omega|phi|mu|circ|dot|vec|angle|triangle)\b"
    r"|\^|\d\s*!|[()\[\]{}√π∞∪∩±]|(?<![A-Za-z])[a-zA-Z]\s*[-+*/^]|[-+*/]\s*[a-zA-Z](?![A-Za-z])"
    r"|\d[a-zA-Z](?![A-Za-z])"
)
_LATEX_UNIT = re.compile(
    r"\\(?:text|mathrm|textrm|mbox|rm|textit|text\w*)\s*\{[^{}]*\}(?:\^\{?[23]\}?)?|\^\{?\\circ\}?|\\circ\b|\\degree|°"
    r"|\\ (?=\D)|\\[,;:!](?=\D|$)|\\quad|~"
)
_LABEL = re.compile(r"[A-Za-z\\{}_ ]{0,60}[=≈:：]\s*")


def read_content(text: str, lo: int, hi: int, decimal_comma: bool = False) -> Found | None:
    """The answer in text[lo:hi]: a canonical number where it is one, else its text; None where empty."""
    simple = _SIMPLE.fullmatch(text, lo, hi)
    if simple:
        return Found(canonical(simple[1]), simple.start(1), simple.end(1))
    hi = min(hi, lo + _LONGEST)
    lo, hi = strip(text, lo, hi)
    if lo == hi:
        return None
    answer = text[lo:hi]
    number = canonical(answer, decimal_comma)
    if number is not None:
        return Found(number, lo, hi)
    wrapped = _WRAPPED.fullmatch(answer)
    if wrapped and wrapped.lastgroup and _balanced(wrapped[wrapped.lastgroup]):
        return read_content(text, lo + wrapped.start(wrapped.lastgroup), lo + wrapped.end(wrapped.lastgroup))
    return read_number(text, lo, hi, decimal_comma) or Found(answer, lo, hi)


def read_number(text: str, lo: int, hi: int, decimal_comma: bool = False) -> Found | None:
    """The one number that text[lo:hi] declares; None where there is none, or several of equal claim."""
    answer = text[lo:hi]
    for equals in reversed(list(_EQUALS.finditer(answer))):
        start, end = strip(text, lo + equals.end(), hi)
        if start < end:
            found = _leading_number(text, start, end, decimal_comma)
            if found:
                return found
        break
    return _leading_number(text, lo, hi, decimal_comma)


def _leading_number(text: str, lo: int, hi: int, decimal_comma: bool) -> Found | None:
    plain = _LATEX_UNIT.sub(lambda unit: " " * len(unit.group()), text[lo:hi])
    match = NUMBER.search(plain)
    if not match:
        return None
    clock = _CLOCK.search(plain) or _DATE.search(plain)
    if clock and clock.start() <= match.start() < clock.end():
        return Found(clock.group().strip(), lo + clock.start(), lo + clock.end())
    first_sentence = re.split(r"[.。!?;；]\s|\n|\(", plain[match.start() :], maxsplit=1)[0]
    if _RANGE.search(plain[: match.start()] + first_sentence) or _SEVERAL.search(first_sentence):
        return None
    outside = plain[: match.start()] + " " + first_sentence[match.end() - match.start() :]
    if _ALGEBRA.search(outside):
        return None
    number = canonical(match.group(), decimal_comma)
    if number is None:
        return None
    return Found(number, lo + match.start(), lo + match.end())


def strip(text: str, lo: int, hi: int) -> tuple[int, int]:
    """Leave markup, quotes, dollar signs and closing punctuation out at both ends."""
    while True:
        before = lo, hi
        while lo < hi and text[lo] in _OPENERS:
            lo += 1
        while lo < hi and text[hi - 1] in _CLOSERS:
            hi -= 1
        tag = _TAG.match(text, lo, hi)
        if tag:
            lo = tag.end()
        if hi > lo and text[hi - 1] in ">m":
            opening = text.rfind("<" if text[hi - 1] == ">" else "\x1b", max(lo, hi - 34), hi)
            if opening >= 0 and _TAG.fullmatch(text, opening, hi):
                hi = opening
        if (lo, hi) == before:
            return lo, hi


def _balanced(inner: str) -> bool:
    """Whether the braces of the inside close within it."""
    depth = 0
    for character in inner:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0
