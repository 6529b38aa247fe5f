"""Compare an answer with a gold: `grade(extraction, gold) -> Grade`.

Exact: numbers are compared by their value, formulas by what they state; no float ever makes two equal.
Pure, total and thread-safe. Every version that was released from the second on stays callable.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial

from evalkit.extract.numbers import canonical
from evalkit.extract.peers import PEER_COMPARISONS
from evalkit.gold import acceptable, is_code
from evalkit.grade import v2
from evalkit.grade.equivalence import EQUAL, OTHER_TEXT, compare_letters, equivalence, letter_of
from evalkit.grade.user_function import is_function
from evalkit.records import Extraction, Grade

# Rules that read numbers only: a gold that is no number can't be scored under them.
NUMERIC_RULES = frozenset({"hash", "last-number", *PEER_COMPARISONS})
_FIVE_LETTERS = re.compile(r"\(?[A-Ea-e]\)?")

SCORER_VERSION = 4
"""Goes up when what counts as equal changes; part of the prompt lock."""

# What counts as equal, by version.
SCORERS: dict[int, Callable[[str, str], Grade]] = {
    2: v2.compare,
    3: partial(equivalence, version=3),
    4: equivalence,
}


def callable_version(version: int | None) -> int:
    """The version of the scorer for a lock that names `version`: that one, or the next that is still here."""
    return min((one for one in SCORERS if one >= (version or 0)), default=SCORER_VERSION)


@lru_cache(maxsize=4096)
def gold_problem(gold: str | None, rule: str) -> str | None:
    """Why a gold can't be scored under a rule, in a few words; None where it can."""
    if gold is None or not gold.strip():
        return "no gold"
    return next(filter(None, (_problem(answer, rule) for answer in acceptable(gold))), None)


def _problem(gold: str, rule: str) -> str | None:
    name, _, version = rule.partition("@")
    if is_code(gold) and not is_function(rule):
        return "gold is code, which no rule compares: let a grader of your own run it (docs/graders.md)"
    if name in NUMERIC_RULES and _number(gold) is None:
        return "gold is no number"
    if name == "choice":
        if version == "1":
            return None if _FIVE_LETTERS.fullmatch(gold.strip()) else "gold is no letter from A to E"
        return None if letter_of(gold) else "gold is no letter"
    return None


def grade(extraction: Extraction, gold: str | None, version: int = SCORER_VERSION) -> Grade:
    """The outcome of an answer against a gold, with the reason, by one version of the scorer."""
    problem = gold_problem(gold, extraction.rule)
    if problem is not None or gold is None:
        return Grade("unscored", problem or "no gold")
    answer = extraction.answer
    if answer is None:
        return Grade("no_answer", f"{extraction.rule} found no answer")
    golds = acceptable(gold)
    if len(golds) == 1:
        return _grade(extraction, golds[0], version)
    return min((_grade(extraction, one, version) for one in golds), key=lambda found: found.outcome)


def _grade(extraction: Extraction, gold: str, version: int) -> Grade:
    """The outcome against one acceptable answer."""
    answer = str(extraction.answer)
    name = extraction.rule.partition("@")[0]
    peer = PEER_COMPARISONS.get(name)
    if peer is not None:
        return EQUAL if peer(answer, gold) else OTHER_TEXT
    if answer == gold:
        return EQUAL
    if name == "choice" and version > 2:
        return compare_letters(answer, gold)
    compare = SCORERS.get(version) or SCORERS[callable_version(version)]
    return compare(answer, gold)


@lru_cache(maxsize=4096)
def _number(gold: str) -> str | None:
    return canonical(gold.strip())
