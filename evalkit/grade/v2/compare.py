"""How version 2 compares an answer with a gold: numbers by value, then texts, then differences of formulas.

Frozen: a change of what counts as equal is a new version of the scorer.
"""

from __future__ import annotations

import re
from functools import lru_cache

from evalkit.extract.declared.content import read_content
from evalkit.extract.numbers import canonical, equal, is_float_print_of
from evalkit.grade.v2.formula import Value, read_formula, same, weight
from evalkit.records import Grade

_EQUAL = Grade("correct", "equal")
_OTHER_NUMBER = Grade("wrong", "another number than the gold")
_OTHER_TEXT = Grade("wrong", "another text than the gold")

# An operation that is left to the reader: "16 - 3 - 4" is no answer to a question whose gold is 9.
_NOT_CARRIED_OUT = re.compile(r"\w\)?\s*(?:[-+*÷×·−]|\\times|\\cdot|\\div)\s*\S")
# What a number may count without being algebra. One letter is a unit only if it is a usual one.
_UNIT = re.compile(
    r"(?P<value>.{0,60}?\d)\s*(?:\\?[$%€£¥]|°|[mgshLlCFKVWJNA]|[cmkd]m|[mk]g|m[lLs]|hrs?|ft|in|lbs?|oz|yd|mi|[ap]m|"
    r"[^\W\d_]{3,}|(?<=\s)[^\W\d_]{2,}|\\(?:text|mathrm|mbox|rm)\s*\{[^{}]*\})"
    r"(?:\^\{?[23]\}?|[²³])?(?:[ /][^\W\d_]+){0,4}\.?"
)
_BETWEEN_DIGITS = re.compile(r"(?<=\d)\s+(?=\d)")
_DECORATION = re.compile(r"\\(?:text\w*|mathrm|mathbf|mbox|boxed|left|right|[,;:! ])|[\s{}$*_\\\"'.]+")


def compare(answer: str, gold: str) -> Grade:
    """The outcome of an answer against a gold."""
    gold_number = _number(gold) or _read_number(gold)
    number = canonical(answer)
    if gold_number is not None and number is not None:
        return _compare_numbers(number, gold_number)
    if _text(answer) == _text(gold):
        return Grade("correct", "same text")
    if gold_number is not None:
        unit = _UNIT.fullmatch(answer) if len(answer) < 100 else None
        number = canonical(unit["value"]) if unit else None
        if number is not None:
            return _compare_numbers(number, gold_number)
        if _NOT_CARRIED_OUT.search(answer):
            return Grade("wrong", "a calculation that is not carried out")
    return _compare_formulas(answer, gold)


def _compare_numbers(number: str, gold: str) -> Grade:
    if equal(number, gold):
        return _EQUAL
    if is_float_print_of(number, gold):
        return Grade("correct", "equal to the 15 digits that a float prints")
    return _OTHER_NUMBER


def _compare_formulas(answer: str, gold: str) -> Grade:
    expected = _formula(gold)
    if expected is None:
        return _OTHER_TEXT
    value = read_formula(answer)
    if value is None or not same(value, expected):
        return Grade("wrong", "another value than the gold")
    if weight(answer) > 2 * weight(gold) + 2:
        return Grade("wrong", "a calculation that is not carried out")
    return Grade("correct", "equal as formulas")


@lru_cache(maxsize=4096)
def _number(gold: str) -> str | None:
    return canonical(gold.strip())


@lru_cache(maxsize=4096)
def _read_number(gold: str) -> str | None:
    """The number of a gold that says more than it: "36 dollars"; read as an answer would be."""
    found = read_content(gold, 0, len(gold))
    return None if found is None or found.answer is None else canonical(found.answer)


@lru_cache(maxsize=4096)
def _formula(gold: str) -> Value | None:
    return read_formula(gold)


def _text(value: str) -> str:
    """A text without markup, case, spaces and round brackets around all of it."""
    value = _DECORATION.sub("", _BETWEEN_DIGITS.sub(";", value)).casefold()
    return value[1:-1] if value[:1] == "(" and value[-1:] == ")" and "," not in value else value
