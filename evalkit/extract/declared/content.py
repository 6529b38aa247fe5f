"""Read the answer from a span that is declared to hold it: a box, the rest of a line, a JSON value."""

from __future__ import annotations

import re
from collections.abc import Callable

from evalkit.extract.answer_span import AnswerSpan
from evalkit.extract.declared.claim import CLOCK, DATE, EQUALS, read_claim, signed
from evalkit.extract.declared.words import number_word
from evalkit.extract.numbers import NUMBER, canonical

# How what is declared is read: text, start, end, and whether the language writes a decimal comma.
Content = Callable[[str, int, int, bool], AnswerSpan | None]

# More than this is no answer but prose: only its first part is read (characters).
_LONGEST = 1000

_MARKUP = " \t\r\n\f\v\x00*_`\"'“”„«»「」\u00a0\u200b\u200c\u200d\u2060\ufeff"
_OPENERS = _MARKUP + ":：=≈~〜>】"
_CLOSERS = _MARKUP + ".。．،!！?？;；,，、\\"
_PLAIN_NUMBER = re.compile(r"[ \t*$]*(-?[0-9]+)[ \t*$]*[.。]?\s*")
_TAG = re.compile(r"<[/|]?[A-Za-z][\w|]{0,30}\|?>|\x1b\[[0-9;]*m")
_ESCAPED = re.compile(r"\\(?:[\"']|n(?![a-z]))")
_WRAPPED = re.compile(
    r"\\[(\[]\s*(?P<math>.*?)\s*\\[)\]]|\$\$?\s*(?P<dollar>[^$]+?)\s*\$\$?"
    r"|\\(?:boxed|fbox|text|textbf|mathbf|mathrm|bm|bf|mathit|texttt|displaystyle)\s*\{(?P<braced>.*)\}",
    re.DOTALL,
)
_SPREAD = re.compile(
    r"\d\s*(?:-|–|—|~|to|bis|至|到|\\text\{ to \})\s*[$€£]?\d|\b(?:between|from)\b.*\d.*\d"
    r"|\d\s*(?:±|\\pm)\s*\d"
    r"|\d[\d.,]*\s*(?:and|or|und|oder|y|o|et|ou|和|或|и|или|;)\s*[$€£]?\d|\d,\s+[$€£]?\d",
    re.IGNORECASE,
)
# LaTeX that only says or spaces what a number counts.
_UNIT = re.compile(
    r"\\(?:text\w*|mathrm|mbox|rm)\s*\{[^{}]*\}(?:\^\{?[23]\}?)?|\^\{?\\circ\}?|\\circ(?![a-z])"
    r"|\\degree|°|\\ (?=\D)|\\[,;:!](?=\D|$)|\\quad|~|(?<=[A-Za-z])(?:\^\{?[23]\}?|[²³])"
)
# Algebra: more than one number and what it counts.
_ALGEBRA = re.compile(
    r"\\(?!\$|%)|[\^√π∞∪∩±!|<>≤≥+*×÷·]|[(\[{][^)\]}]*\d|(?<![A-Za-z'’])[a-zA-Z](?![A-Za-z'’.])|\d\s?/|\s-\s"
)
# An interval or a point, no number in brackets: "[2,5)".
_PAIR = re.compile(r"[(\[]\s*-?\d+,(?!\d{3}(?!\d))\d+\s*[)\]]")
_WORDS = re.compile(r"[^\W\d_]{2,}\s+[^\W\d_]+")
_PROSE = re.compile(r"[^\W\d_]+\s+(?:[^\W\d_]+\s|[$€£]?\d)")
_BEGINS_WORD = re.compile(r"[^\W\d_]{3,}")
_LEAD = re.compile(r"(?:[a-z]+\s){0,4}", re.IGNORECASE)
_LATEX_COMMAND = re.compile(r"\\[a-zA-Z]{2,}|\^")
# The left side of a further equation, as in "x = 1, y = 2".
_UNKNOWN = re.compile(r"(?<![A-Za-z])[A-Za-z]\s*$")
_STRUCK = re.compile(r"~~[^~\n]{1,80}~~")
_LATEX = re.compile(r"\$[^$\n]+\$|\\\((?:[^\\]|\\(?!\)))+\\\)")
_SENTENCE_END = re.compile(r"[.!?;]\s|[。！？；]|\n|\\n")


def read_content(text: str, lo: int, hi: int, decimal_comma: bool = False) -> AnswerSpan | None:
    """The answer in text[lo:hi]: a canonical number where it is one, else its text; None where empty."""
    plain = _PLAIN_NUMBER.fullmatch(text, lo, hi)
    if plain:
        return AnswerSpan(canonical(plain[1]), plain.start(1), plain.end(1))
    lo, hi = strip(text, lo, min(hi, lo + _LONGEST))
    if lo == hi:
        return None
    answer = text[lo:hi]
    number = canonical(answer, decimal_comma)
    if number is not None:
        return AnswerSpan(number, lo, hi)
    wrapped = _WRAPPED.fullmatch(answer)
    if wrapped and wrapped.lastgroup and _balanced(wrapped[wrapped.lastgroup]):
        group = wrapped.lastgroup
        return read_content(text, lo + wrapped.start(group), lo + wrapped.end(group), decimal_comma)
    return _read_mixed(text, lo, hi, answer, decimal_comma)


def _read_mixed(text: str, lo: int, hi: int, answer: str, decimal_comma: bool) -> AnswerSpan:
    """A number with a unit, an equation, a clock, a sentence; otherwise the text itself."""
    numbers = list(NUMBER.finditer(answer))
    if not numbers:
        return AnswerSpan(*(_spelled(text, lo, hi) or (answer, lo, hi)))
    clock = CLOCK.search(answer) or DATE.search(answer)
    if clock and clock.start() <= numbers[0].start():
        return AnswerSpan(clock.group(), lo + clock.start(), lo + clock.end())
    formula = _only_formula(text, lo, answer, decimal_comma)
    if formula is not None:
        return formula
    equation = _right_side(text, lo, hi, answer, decimal_comma)
    if equation is not None:
        return equation
    bare = (
        _UNIT.sub(lambda unit: " " * len(unit.group()), answer) if "\\" in answer or "°" in answer else answer
    )
    if len(numbers) > 1 and _PROSE.match(answer) and not _LATEX_COMMAND.search(answer):
        return _read_sentence(text, lo, hi, answer, decimal_comma)
    if len(numbers) > 1:
        first = _first_part(text, lo, hi, bare, decimal_comma)
        if first is not None:
            return first
    elif not _ALGEBRA.search(bare[: numbers[0].start()] + " " + bare[numbers[0].end() :]):
        number = canonical(numbers[0].group(), decimal_comma)
        if number is not None and not _PAIR.search(answer):
            number = signed(number, text, lo + numbers[0].start())
            return AnswerSpan(number, lo + numbers[0].start(), lo + numbers[0].end())
    return AnswerSpan(answer, lo, hi)


def _spelled(text: str, lo: int, hi: int) -> tuple[str, int, int] | None:
    """A number in words that is all of a short answer, or all but a unit."""
    word = number_word(text, lo, hi)
    if word is None or (word[1] > lo and not _LEAD.fullmatch(text, lo, word[1])) or hi - word[2] > 40:
        return None
    return word


def _read_sentence(text: str, lo: int, hi: int, answer: str, decimal_comma: bool) -> AnswerSpan:
    """What the first sentence with a number claims; the text itself where it tells a spread of numbers."""
    end = next(
        (e.start() for e in _SENTENCE_END.finditer(answer) if re.search(r"\d", answer[: e.start()])),
        len(answer),
    )
    if not _SPREAD.search(answer, 0, end) or EQUALS.search(answer, 0, end):
        claim = read_claim(text, lo, lo + end, decimal_comma)
        if claim is not None:
            return claim
    return AnswerSpan(answer, lo, hi)


def _only_formula(text: str, lo: int, answer: str, decimal_comma: bool) -> AnswerSpan | None:
    """The formula in a sentence that has one, and no digit outside it."""
    formulas = list(_LATEX.finditer(answer)) if "\\(" in answer or "$" in answer else []
    if len(formulas) != 1 or re.search(r"\d", answer[: formulas[0].start()] + answer[formulas[0].end() :]):
        return None
    start, end = formulas[0].span()
    return (
        None if (start, end) == (0, len(answer)) else read_content(text, lo + start, lo + end, decimal_comma)
    )


def _right_side(text: str, lo: int, hi: int, answer: str, decimal_comma: bool) -> AnswerSpan | None:
    """What the last equals sign leads to (of "18 = 9 * 2" the number); None where two unknowns are told."""
    signs = list(EQUALS.finditer(answer))
    if not signs or (len(signs) > 1 and _UNKNOWN.search(answer, 0, signs[-1].start())):
        return None
    right = read_content(text, lo + signs[-1].end(), hi, decimal_comma)
    if right is not None and right.answer is not None and canonical(right.answer) is None:
        left = canonical(answer[: signs[0].start()].strip())
        if left is not None:
            return AnswerSpan(left, lo, lo + signs[0].start())
    return right


def _first_part(text: str, lo: int, hi: int, bare: str, decimal_comma: bool) -> AnswerSpan | None:
    """The number that several in a declared answer amount to: that of its first sentence or clause."""
    end = re.search(r"[.。!?;；](?:\s|$)|[。；]|\n|\s[(（]|[,，]\s(?=[^\W\d])|，|<", bare)
    stop = end.start() if end else len(bare)
    numbers = list(NUMBER.finditer(bare, 0, stop))
    if not numbers:
        return read_claim(text, lo, hi, decimal_comma)
    if len(numbers) == 1 and stop < len(bare):
        return read_content(text, lo, lo + stop, decimal_comma)
    if _SPREAD.search(bare, 0, stop) and len(numbers) < 4:
        return None
    if _WORDS.search(bare, 0, stop) and not _ALGEBRA.search(bare, 0, stop):
        return read_claim(text, lo, lo + stop, decimal_comma)
    return None


def is_spread(answer: str) -> bool:
    """Whether a text tells a range or several numbers of equal claim: "between 17 and 19", "17 or 18"."""
    return _SPREAD.search(answer) is not None


def is_announcement(answer: str) -> bool:
    """Whether a text only leads up to an answer: "Calculating the times:", without any digit."""
    return answer.endswith(":") and not re.search(r"\d", answer)


def is_prose(answer: str) -> bool:
    """Whether an answer is words rather than a value."""
    return " " in answer and _BEGINS_WORD.match(answer) is not None


def strip(text: str, lo: int, hi: int) -> tuple[int, int]:
    """Leave markup, quotes, lone dollar signs and closing punctuation out at both ends."""
    while True:
        struck = _STRUCK.match(text, lo, hi) if text.startswith("~~", lo) else None
        lo = struck.end() if struck else lo
        while lo < hi and text[lo] in _OPENERS:
            lo += 1
        while lo < hi and text[hi - 1] in _CLOSERS:
            hi -= 1
        before = lo, hi
        if lo < hi and text[lo] == "\\" and _ESCAPED.match(text, lo, hi):
            lo += 2
        tag = _TAG.match(text, lo, hi) if text.startswith(("<", "\x1b"), lo) else None
        if tag:
            lo = tag.end()
        if hi > lo and text[hi - 1] in ">m":
            opening = text.rfind("<" if text[hi - 1] == ">" else "\x1b", max(lo, hi - 34), hi)
            if opening >= 0 and _TAG.fullmatch(text, opening, hi):
                hi = opening
        if hi > lo and text[hi - 1] == "$" and text.count("$", lo, hi) % 2:
            hi -= 1
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
