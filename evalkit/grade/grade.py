"""Compare an answer with a gold: `score(extraction, gold) -> Score`.

Exact: numbers are compared by their value, formulas are equal where their difference is zero in
rational arithmetic; no float is ever used. Pure, total and thread-safe.
"""

from __future__ import annotations

import re
from functools import lru_cache

from evalkit.extract.content import read_content
from evalkit.extract.numbers import canonical, equal, is_float_print_of
from evalkit.extract.peers import PEER_COMPARISONS
from evalkit.gold import acceptable, is_code
from evalkit.grade.formula import Value, read_formula, same, weight
from evalkit.grade.user_function import is_function
from evalkit.records import Extraction, Grade

# Rules that read numbers only: a gold that is no number can't be scored under them.
NUMERIC_RULES = frozenset({"hash", "last-number", *PEER_COMPARISONS})

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
_LETTER = re.compile(r"\(?[A-Ea-e]\)?")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)\s+(?=\d)")
_DECORATION = re.compile(r"\\(?:text\w*|mathrm|mathbf|mbox|boxed|left|right|[,;:! ])|[\s{}$*_\\\"'.]+")

SCORER_VERSION = 2
"""Goes up when what counts as equal changes; part of the prompt lock."""


def gold_problem(gold: str | None, rule: str) -> str | None:
    """Why a gold can't be scored under a rule, in a few words; None where it can."""
    if gold is None or not gold.strip():
        return "no gold"
    return next(filter(None, (_problem(answer, rule) for answer in acceptable(gold))), None)


def _problem(gold: str, rule: str) -> str | None:
    name = rule.partition("@")[0]
    if is_code(gold) and not is_function(rule):
        return "gold is code, which no rule compares: let a grader of your own run it (docs/graders.md)"
    if name in NUMERIC_RULES and _number(gold) is None:
        return "gold is no number"
    if name == "choice" and not _LETTER.fullmatch(gold.strip()):
        return "gold is no letter from A to E"
    return None


def grade(extraction: Extraction, gold: str | None) -> Grade:
    """The outcome of an answer against a gold, with the reason."""
    problem = gold_problem(gold, extraction.rule)
    if problem is not None or gold is None:
        return Grade("unscored", problem or "no gold")
    answer = extraction.answer
    if answer is None:
        return Grade("no_answer", f"{extraction.rule} found no answer")
    return min((_grade(extraction, one) for one in acceptable(gold)), key=lambda found: found.outcome)


def _grade(extraction: Extraction, gold: str) -> Grade:
    """The outcome against one acceptable answer."""
    answer = str(extraction.answer)
    peer = PEER_COMPARISONS.get(extraction.rule.partition("@")[0])
    if peer is not None:
        return _EQUAL if peer(answer, gold) else _OTHER_TEXT
    return _EQUAL if answer == gold else _compare(answer, gold)


def _compare(answer: str, gold: str) -> Grade:
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
