r"""Read a declared answer whole: what a box, a marker or a phrase announces, in the rules' second version.

A number, with its unit, sign or label, is read as before (`content`). A formula is never cut: an equation
keeps its left side, a list its members, `3 (x-1)` its bracket. "1,2" is left as it stands, for the gold
settles what its comma is, and a hedge ("7 (or 8)") is no number.
"""

from __future__ import annotations

import re

from evalkit.extract.answer_span import AnswerSpan
from evalkit.extract.declared.braces import closing_brace
from evalkit.extract.declared.content import read_content, strip
from evalkit.extract.numbers import NUMBER, canonical

_LONGEST = 1000
_PLAIN_NUMBER = re.compile(r"[ \t*$]*(-?(?:0|[1-9][0-9]{0,17}))[ \t*$]*[.。]?\s*")
_PAIR = re.compile(r"\s*[-+−]?\s*\d+,\d+\s*")
_GROUPED = re.compile(r"\s*[-+−]?\s*[1-9]\d{0,2}(?:,\d{3})+")
_WRAPPED = re.compile(
    r"\\\(\s*(?P<round>[^\\]*(?:\\(?![()])[^\\]*)*?)\s*\\\)|\\\[\s*(?P<square>[^\\]*(?:\\(?![\[\]])[^\\]*)*?)\s*\\\]"
    r"|\$\$?\s*(?P<dollar>[^$]+?)\s*\$\$?"
)
_SCALE = re.compile(r"(?:\s|~|\\[,;: ])*\\(?:text|mathrm|mbox)\s*\{\s*(\w+)\s*\}")
_BRACED = re.compile(r"\\(?:boxed|fbox|text(?:bf|it|rm|tt|sf)?|mathbf|mathrm|bm|bf|mathit|displaystyle)\s*\{")
_SPACE = r"(?:\s|\\[,;:! ]|~)*"
# A name that is told a number: "x = 18", "\text{Total} = 18"; what stands left is no expression.
_NAMED = re.compile(
    r"(?:[A-Za-z]|\\(?:text|mathrm|mbox)\s*\{[^{}\d]{1,60}\}|[^\W\d_]{3,}(?: [^\W\d_]+){0,6})"
    + _SPACE + r"={1,2}" + _SPACE
)  # fmt: skip
# Two values for one, as in "7 (or 8)"; "3.5 hours, or 210 minutes" says one in two units.
_HEDGE = re.compile(
    r"\d\s*(?:[$€%]|\\\w+)?\s*(?P<unit>[^\W\d_]+)?\s*(?:[(（,;/]|\bor\b)\s*(?:or|oder|ou|maybe|perhaps|possibly|alternatively|或者?)\b"
    r"\s*(?:[^\W\d_]+\s+){0,2}[$€£]?-?\d[\d.,]*(?:\s*(?P=unit)|\s*[)）.,;!?]|\s*$)",
    re.IGNORECASE,
)
_MONTH = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\s+\d",
    re.IGNORECASE,
)
_TEXT = re.compile(r"\\(?:text\w*|mathrm|mbox|operatorname|rm)\s*\{[^{}]*\}|\\[A-Za-z]+")
_PROSE = re.compile(
    r"[^\W\d_]{3,}(?:['’]\w+)?[,:]?\s+(?:[^\W\d_]{2,}|[$€£]?\d)|[^\W\d_]{2,}\s+[^\W\d_]{2,}\s+[^\W\d_]{2,}|[\u4e00-\u9fff]{2}"
)
_OPERATOR = re.compile(
    r"\\(?![$%,;:! ])|[\^_√π∞∪∩∖±∓!|<>≤≥≠≈=+*×÷·]|[(\[{](?![^\W\d_]{3})"
    r"|(?<![A-Za-z'’])[a-zA-Z](?![A-Za-z'’.])|\d\s?/|\s-\s|(?:\d|[)}]"
    r"|(?<![A-Za-z])[A-Za-z])-(?:\d|[({\\]|[A-Za-z](?![A-Za-z]))"
)
_UNIT = re.compile(
    r"\\(?:text(?:bf|it|rm|normal)?|mathrm|mbox|rm)\s*\{[^{}]*\}|\^\{?\\circ\}?|\\circ(?![a-z])"
    r"|\\degree|°|\\ (?=\D)|\\[,;:!](?=\D|$)|\\quad|~|\\?[$%]"
)
_ALGEBRA = re.compile(
    r"\d_|(?<![A-Za-z])[A-Za-z]\s*(?:\^|_|[-+*/=<>≤≥≠]|\\(?:le|ge|ne|lt|gt|cdot|times|cup|in)(?![a-z]{3}))|\^|\\[a-zA-Z]{2,}"
    r"|[-+*/=<>≤≥≠,]\s*[A-Za-z](?![A-Za-z.])|[(\[{].{0,200},|[)\]]\s*[,(\[]|(?<![A-Za-z'’])[a-zA-Z](?![A-Za-z'’.])"
)  # fmt: skip


def read_declared(text: str, lo: int, hi: int, decimal_comma: bool = False) -> AnswerSpan | None:
    """What follows a marker or a phrase: a number where it is one, a formula whole, else its text."""
    plain = _PLAIN_NUMBER.fullmatch(text, lo, hi)
    if plain:
        return AnswerSpan(canonical(plain[1]), plain.start(1), plain.end(1))
    start, end = strip(text, lo, min(hi, lo + _LONGEST))
    answer = text[start:end]
    if not answer:
        return None
    if "," in answer and not decimal_comma and _PAIR.fullmatch(answer) and not _GROUPED.fullmatch(answer):
        return AnswerSpan(answer, start, end)
    number = canonical(answer, decimal_comma)
    if number is not None:
        return AnswerSpan(number, start, end)
    if answer[0] in "$\\" and (inner := _inside(answer)) is not None:
        return read_declared(text, start + inner[0], start + inner[1], decimal_comma)
    if ("or" in answer or "或" in answer or "(" in answer or "," in answer) and _HEDGE.search(answer):
        return AnswerSpan(answer, start, end)
    if _ALGEBRA.search(_UNIT.sub(" ", answer) if "\\" in answer else answer) and _is_formula(answer):
        return _named(text, start, end) or AnswerSpan(answer, start, end)
    return read_content(text, lo, hi, decimal_comma)


def read_box(text: str, lo: int, hi: int, decimal_comma: bool = False) -> AnswerSpan | None:
    """The whole of a box: a number where it is one, with its unit or its name; else its text."""
    plain = _PLAIN_NUMBER.fullmatch(text, lo, hi)
    if plain:
        return AnswerSpan(canonical(plain[1]), plain.start(1), plain.end(1))
    start, end = strip(text, lo, hi)
    if text.startswith("!", end):  # of "2016!" the sign is a factorial
        end += 1
    answer = text[start:end]
    if not answer:
        return None
    inner = _inside(answer)
    if inner is not None:
        return read_box(text, start + inner[0], start + inner[1])
    if len(answer) > _LONGEST:
        return AnswerSpan(answer, start, end)
    if _PAIR.fullmatch(answer) and not _GROUPED.fullmatch(answer):
        return AnswerSpan(answer, start, end)
    number = canonical(answer)
    if number is None and ("illion" in answer or "thousand" in answer):
        number = canonical(_SCALE.sub(r" \1", answer))
    if number is not None:
        return AnswerSpan(number, start, end)
    if _is_formula(answer):
        return _named(text, start, end) or AnswerSpan(answer, start, end)
    if _HEDGE.search(answer) or _MONTH.search(answer):
        return AnswerSpan(answer, start, end)
    return read_content(text, start, end)


def read_bare(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """The last line, where that is a formula and nothing else."""
    lo = max(lo, hi - _LONGEST)
    while hi > lo and text[hi - 1].isspace():
        hi -= 1
    lo = max(lo, text.rfind("\n", lo, hi) + 1)
    start, end = strip(text, lo, hi)
    answer = text[start:end]
    if (
        not answer
        or "oxed" in answer
        or not _is_formula(answer)
        or canonical(answer) is not None
        or not _ALGEBRA.search(answer)
    ):
        return None
    return _named(text, start, end) or AnswerSpan(answer, start, end)


def _inside(answer: str) -> tuple[int, int] | None:
    """What is all of an answer, without the signs or the command around it."""
    if answer[0] not in "$\\":
        return None
    braced = _BRACED.match(answer)
    if braced:
        return (
            (braced.end(), len(answer) - 1)
            if closing_brace(answer, braced.end() - 1) == len(answer) - 1
            else None
        )
    wrapped = _WRAPPED.fullmatch(answer)
    return wrapped.span(wrapped.lastgroup) if wrapped and wrapped.lastgroup else None


def _is_formula(answer: str) -> bool:
    """Whether an answer is math: more than one number and what it counts, and no prose."""
    if _PROSE.search(_TEXT.sub(" ", answer) if "\\" in answer else answer):
        return False
    bare = (
        _UNIT.sub(" ", answer)
        if "\\" in answer or "°" in answer or "%" in answer or "$" in answer
        else answer
    )
    numbers = [number.span() for number in NUMBER.finditer(bare)]
    if len(numbers) > 1:
        return True
    if not numbers:
        return _OPERATOR.search(bare) is not None
    ((start, end),) = numbers
    if bare[:start].rstrip().endswith(("-", "−", "–")):
        return True
    return _OPERATOR.search(bare, 0, start) is not None or _OPERATOR.search(bare, end) is not None


def _named(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """The number that a name is told, as in "x = 18"; None where left or right is anything else."""
    name = _NAMED.match(text, lo, hi)
    if name is None:
        return None
    number = canonical(text[name.end() : hi].strip(" $"))
    if number is None or _PAIR.fullmatch(text[name.end() : hi].strip()):
        return None
    return AnswerSpan(number, name.end(), hi)
