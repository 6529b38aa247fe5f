"""Compare an answer with a gold: `score(extraction, gold) -> Score`.

Exact: numbers are equal where their canonical strings are, which no float ever touches. Pure,
total and thread-safe.
"""

from __future__ import annotations

import re
from functools import lru_cache

from evalkit.extract.numbers import canonical, fraction_digits, rounded
from evalkit.extract.peers import PEER_COMPARISONS
from evalkit.records import Extraction, Score

# Rules that read numbers only: a gold that is no number can't be scored under them.
NUMERIC_RULES = frozenset({"hash", "last-number", *PEER_COMPARISONS})

CORRECT = Score("correct", "equal")
_SPACES = re.compile(r"\s+")


def gold_problem(gold: str | None, rule: str) -> str | None:
    """Why a gold can't be scored under a rule, in a few words; None where it can."""
    if gold is None or not gold.strip():
        return "no gold"
    if rule.partition("@")[0] in NUMERIC_RULES and canonical(gold.strip()) is None:
        return "gold is no number"
    return None


def score(extraction: Extraction, gold: str | None) -> Score:
    """The outcome of an answer against a gold, with the reason."""
    problem = gold_problem(gold, extraction.rule)
    if problem is not None or gold is None:
        return Score("unscored", problem or "no gold")
    answer = extraction.answer
    if answer is None:
        return Score("no_answer", f"{extraction.rule} found no answer")
    peer = PEER_COMPARISONS.get(extraction.rule.partition("@")[0])
    if peer is not None:
        return CORRECT if peer(answer, gold) else Score("wrong", "another text than the gold")
    return _compare(answer, gold)


def _compare(answer: str, gold: str) -> Score:
    if answer == gold:
        return CORRECT
    gold_number = _gold_number(gold)
    number = canonical(answer)
    if gold_number is not None and number is not None:
        if number == gold_number:
            return CORRECT
        printed = rounded(number)
        if printed is not None and printed == (fraction_digits(gold_number) or gold_number):
            return Score("correct", "equal to the 15 digits that a float prints")
        return Score("wrong", "another number than the gold")
    if _text(answer) == _text(gold):
        return Score("correct", "same text")
    return Score("wrong", "another text than the gold")


@lru_cache(maxsize=4096)
def _gold_number(gold: str) -> str | None:
    return canonical(gold.strip())


def _text(value: str) -> str:
    return _SPACES.sub(" ", value).strip(" .$").casefold()
