"""A reward by design: named terms with weights, as `--reward correct=1 --reward length=-0.2@400` says them.

The score stays what evaluation counts; only what the trainer is paid changes. Pure, and without any model.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prompts.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the terms see of a completion. `tokens` and `limit` are counts of response tokens."""

    outcome: str
    lenient: str
    tokens: int
    limit: int
    truncated: bool
    file: float | None = None
    """What the function of --reward-file returned."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """A weighted part of the reward; `at` is the number of tokens behind `@`."""

    name: str
    weight: float
    at: int | None = None

    def __str__(self) -> str:
        return f"{self.name}={self.weight:g}" + (f"@{self.at}" if self.at is not None else "")


def _over(answer: Answer, start: int) -> float:
    """0 up to `start` tokens, then in a line up to 1 at the limit (DAPO, arXiv 2503.14476, equation 13)."""
    return min(1.0, max(0.0, (answer.tokens - start) / max(1, answer.limit - start)))


TERMS: Mapping[str, Callable[[Answer, Term], float]] = {
    "correct": lambda answer, term: float(answer.outcome == "correct"),
    "lenient": lambda answer, term: float(answer.lenient == "correct"),
    "format": lambda answer, term: float(answer.outcome != "no_answer"),
    "truncated": lambda answer, term: float(answer.truncated),
    "length": lambda answer, term: _over(answer, term.at or 0),
    "overlong": lambda answer, term: _over(answer, max(0, answer.limit - (term.at or 0))),
    "file": lambda answer, term: answer.file or 0.0,
}
"""What each term measures; `length=W@N` grows from N tokens on, `overlong=W@N` over the last N tokens."""
COUNTED, RIGHT = ("length", "overlong"), ("correct", "lenient")
LARGEST = 1_000_000
"""Of weights and of what a function returns: verl squares rewards in float32, which ends at 3e38."""


def parse_terms(given: Sequence[str], has_file: bool) -> tuple[Term, ...]:
    """The terms that were asked for; none where the reward is the score.

    Raises UserError for an unknown term, a weight of 0 or none, or a reward in which nothing is right.
    """
    terms = [_parse(text) for text in given]
    names = [term.name for term in terms]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"--reward names {twice} twice; give it one weight")
    if has_file and "file" not in names:
        terms.append(Term(name="file", weight=1.0))
    if not has_file and "file" in names:
        raise UserError("--reward file=… needs the function: --reward-file mine.py:reward")
    if terms and not has_file and "correct" not in names:
        raise UserError(
            f"--reward {' --reward '.join(given)}: no term pays a right answer; add --reward correct=1"
        )
    return tuple(terms) if [str(term) for term in terms] != ["correct=1"] else ()


def _parse(text: str) -> Term:
    name, equals, rest = text.partition("=")
    if name not in TERMS:
        near = difflib.get_close_matches(name, TERMS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(TERMS)}"
        raise UserError(f"--reward {text}: no term {name!r}; {hint}")
    weight_text, at_sign, at_text = rest.partition("@")
    try:
        weight = float(weight_text)
    except ValueError:
        weight = math.nan
    if not equals or not 0 < abs(weight) <= LARGEST:  # never true of nan
        raise UserError(
            f"--reward {text}: the weight is {weight_text!r}, it must be a number other than 0 and at most "
            f"{LARGEST:,} in size, as in --reward {name}=0.1; leave the term out to pay nothing for it"
        )
    if name in RIGHT and weight < 0:
        raise UserError(f"--reward {text} would pay wrong answers: the weight of {name} must be above 0")
    if name in COUNTED and not (at_text.isdigit() and int(at_text) > 0):
        raise UserError(f"--reward {text}: {name} needs a number of tokens, as in --reward {name}=-0.2@400")
    if name not in COUNTED and at_sign:
        raise UserError(f"--reward {text}: only {' and '.join(COUNTED)} take a number of tokens behind @")
    return Term(name=name, weight=weight, at=int(at_text) if at_sign else None)


def check_lengths(terms: Sequence[Term], limit: int) -> None:
    """UserError for a term of length that counts tokens which no response of `limit` tokens has."""
    for term in terms:
        if term.name in COUNTED and (term.at or 0) >= limit + (term.name == "overlong"):
            raise UserError(
                f"--reward {term}: responses have at most {limit} tokens (--response-length), so "
                f"{term.name} needs a number below that, as in --reward "
                f"{term.name}={term.weight:g}@{max(1, limit // 2)}"
            )


def shaped(terms: Sequence[Term], answer: Answer) -> tuple[float, dict[str, float]]:
    """The reward of a completion, and what each term gave to it."""
    parts = {term.name: term.weight * TERMS[term.name](answer, term) for term in terms}
    return sum(parts.values()), parts


def verdict_of(outcome: str, reason: str, answer: str | None, lenient: str) -> dict[str, Any]:
    """The third argument of a function of --reward-file: what evaluation says of the completion."""
    return {
        "outcome": outcome,
        "reason": reason,
        "answer": answer,
        "lenient_outcome": lenient,
        "score": float(outcome == "correct"),
    }


def usable(value: Any) -> float:
    """What a function of --reward-file returned, as a number.

    Raises ValueError, saying what it was, for anything but a number of at most `LARGEST` in size.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise ValueError(
            f"it returned {value!r:.60} ({type(value).__name__}), not a finite number of at most "
            f"{LARGEST:,} in size"
        )
    return float(value)


def in_words(terms: Sequence[Term]) -> str:
    """The terms as they are typed."""
    return " ".join(map(str, terms)) or "correct=1"
