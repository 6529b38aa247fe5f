"""When an answer is the gold: numbers by their value, formulas by what they state, texts by their words.

Nothing is rounded and no float makes two values equal. `evalkit.grade.formulas` reads formulas.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from evalkit.extract.declared.altered import is_altered
from evalkit.extract.declared.denied import says_denial
from evalkit.extract.numbers import canonical, equal, is_float_print_of
from evalkit.grade.formulas.claims import Value, claims
from evalkit.grade.formulas.reading import LATEST, compare, read, read_gold
from evalkit.grade.formulas.tokens import NotRead
from evalkit.records import Grade

EQUAL = Grade("correct", "equal")
OTHER_TEXT = Grade("wrong", "another text than the gold")
_PRINTED = Grade("correct", "equal to the 15 digits that a float prints")
_SAME = Grade("correct", "equal as formulas")
_OTHER_NUMBER = Grade("wrong", "another number than the gold")
_OTHER_VALUE = Grade("wrong", "another value than the gold")
_DENIED = Grade("wrong", "a value that is denied, or a bound")
_UNFINISHED = Grade("wrong", "a calculation that is not carried out")

# A comma between digits that groups no thousands: two values where the gold is one of these.
_TWO_VALUES = re.compile(r"\s*[-+−]?\d+,\d+\s*")
_THOUSANDS = re.compile(r"\s*[-+−]?[1-9]\d{0,2},\d{3}\s*")
# What a number may count without being algebra. One letter is a unit only if it is a usual one.
_UNIT = re.compile(
    r"(?P<value>.{0,60}?\d)\s*(?:\\?[$%€£¥]|°|[mgshLlCFKVWJNA]|[cmkd]m|[mk]g|m[lLs]|hrs?|ft|in|lbs?|oz|yd|mi|"
    r"[^\W\d_]{3,}|(?<=\s)[^\W\d_]{2,}|\\(?:text|mathrm|mbox|rm)\s*\{[^{}]*\})"
    r"(?:\^\{?[23]\}?|[²³])?(?:[ /][^\W\d_]+){0,4}\.?"
)
# In what follows a number: another one, which is no unit.
_OTHER_VALUE_TOLD = re.compile(
    r"\b(?:or|and|nor|else|maybe|perhaps|unless)\b|(?<!\^)(?<!\^\{)\d"
    r"|\b(?:times|of|than|per|plus|minus)\s+(?:[B-Zb-z]|pi)\b"
)
_IN_WORDS = re.compile(r"\d\s(?:squared|cubed|factorial)\b(?!\s[^\W\d_])")
_WORDS = re.compile(r"[^\W\d_]{2}")
_OPERATION = re.compile(r"\w\)?\s*(?:[-+*÷×·−]|\\times|\\cdot|\\div)\s*\S")
# As a formula it would be a number times e, and something taken away.
_SCIENTIFIC = re.compile(r"\s*[-+−]?(?:\d+\.?\d*|\.\d+)[eE][-+−]?\d+\s*")
_LETTER = re.compile(r"\s*\(?([A-Za-z])\)?\.?\s*")


def equivalence(answer: str, gold: str, version: int = LATEST) -> Grade:
    """The outcome of an answer against a gold, with the reason; `version` is that of the scorer, 3 or 4."""
    if answer == gold:
        return EQUAL
    wanted = gold_number(gold, version)
    number = canonical(answer) if wanted is not None else None
    if wanted is not None and number is not None:
        return compare_numbers(number, wanted)
    if version > 3 and _WORDS.search(answer) and says_denial(answer) and not says_denial(gold):
        return _DENIED
    if version > 3 and wanted is not None and _IN_WORDS.search(answer) and len(answer) < 100:
        return _UNFINISHED
    written = wanted if wanted is not None and version > 3 and _SCIENTIFIC.fullmatch(gold) else gold
    found, expected = read(answer, version), read_gold(written, version)
    verdict = compare(expected, found)
    if verdict == "same":
        return _SAME
    if verdict == "unfinished":
        return _UNFINISHED
    if wanted is not None:
        told = any(tree.units for tree in found.trees)  # cm^3 is no cm^2
        unit = _UNIT.fullmatch(answer) if len(answer) < 100 and not told else None
        if unit and version > 3:
            end = unit.end("value")
            if _OTHER_VALUE_TOLD.search(answer, end) or is_altered(answer, 0, 0, end, len(answer)):
                unit = None
        number = canonical(unit["value"]) if unit else None
        if number is not None:
            return compare_numbers(number, wanted)
        return _UNFINISHED if len(answer) < 1000 and _OPERATION.search(answer) else _OTHER_VALUE
    return _OTHER_VALUE if expected.trees else OTHER_TEXT


def compare_numbers(number: str, gold: str) -> Grade:
    """Two canonical numbers: equal values, or the print of a float and what it is_float_print_of."""
    if equal(number, gold):
        return EQUAL
    return _PRINTED if is_float_print_of(number, gold) else _OTHER_NUMBER


def compare_letters(answer: str, gold: str) -> Grade:
    """Two letters of a choice, with or without brackets, of either case."""
    one, other = letter_of(answer), letter_of(gold)
    return EQUAL if one is not None and one == other else Grade("wrong", "another letter than the gold")


def letter_of(text: str) -> str | None:
    """The letter of a choice; None where the text is more than one."""
    match = _LETTER.fullmatch(text)
    return match[1].upper() if match else None


@lru_cache(maxsize=4096)
def gold_number(gold: str, version: int = LATEST) -> str | None:
    """The canonical number that a gold is, its unit and its name left out; None where it is anything else.

    "1,2" is two values: the comma of a gold is a decimal comma in no rule that reads formulas.
    """
    if not _TWO_VALUES.fullmatch(gold) or _THOUSANDS.fullmatch(gold):
        number = canonical(gold.strip())
        if number is not None:
            return number
    trees = read_gold(gold, version).trees
    if not trees or len(trees[0].items) != 1:
        return None
    try:
        claim = claims(trees[0].items)
    except NotRead:
        return None
    if len(claim) != 1 or not isinstance(claim[0], Value) or claim[0].node.kind != "number":
        return None
    value = Fraction(claim[0].node.value)
    return canonical(f"{value.numerator}/{value.denominator}")
