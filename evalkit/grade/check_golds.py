"""The self-test of golds: `evalkit tasks check`.

Each gold is written as a model would write it under each template, and must score correct; a
neighbour of the gold (a digit changed, the sign flipped, ten times as much) must score wrong. Both
under the template's rule and under `lenient`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evalkit.extract import extract, resolve_rule
from evalkit.extract.numbers import canonical
from evalkit.grade.grade import gold_problem, grade
from evalkit.records import Row
from prompts.template import Template

# How a completion ends that follows the rule.
_WRITTEN = {
    "hash": "That makes it.\n#### {}",
    "boxed": "Therefore the answer is \\boxed{{{}}}.",
    "math": "Therefore the answer is $\\boxed{{{}}}$.",
    "answer-is": "That makes it. The answer is {}.",
    "json": '{{"reasoning": "That makes it.", "answer": "{}"}}',
    "choice": "That makes it. The answer is ({}).",
    "last-number": "That makes it {}",
    "lenient": "That makes it. The answer is {}.",
}


@dataclass(frozen=True)
class Failure:
    """A text that was scored otherwise than it had to be."""

    row: str
    template: str
    rule: str
    text: str
    expected: str
    outcome: str


@dataclass(frozen=True)
class Report:
    """What was tried. `unscored` counts pairs of row and template whose gold the rule cannot score."""

    rows: int
    templates: tuple[str, ...]
    texts: int
    unscored: int
    failures: tuple[Failure, ...]


def check_golds(rows: Sequence[Row], templates: Sequence[Template]) -> Report:
    """Write every gold and its neighbours under every template, and score them."""
    failures: list[Failure] = []
    texts = unscored = 0
    for row in rows:
        for template in templates:
            if row.gold is None or gold_problem(row.gold, template.rule) is not None:
                unscored += 1
                continue
            pairs = [(row.gold, "correct"), *((other, "wrong") for other in neighbours(row.gold))]
            for answer, expected in pairs:
                texts += 1
                failures += _try(row, template, written(answer, template.rule), expected)
    return Report(len(rows), tuple(t.ref for t in templates), texts, unscored, tuple(failures))


def written(answer: str, rule: str) -> str:
    """The end of a completion that gives `answer` in the form that `rule` reads."""
    name = resolve_rule(rule)[0].partition("@")[0]
    return _WRITTEN.get(name, _WRITTEN["hash"]).format(answer)


def neighbours(gold: str) -> Iterator[str]:
    """Answers next to the gold that are not the gold."""
    number = canonical(gold.strip())
    if number is None:
        yield chr((ord(gold) - ord("A") + 1) % 5 + ord("A")) if gold in "ABCDE" else f"{gold} + 1"
        return
    last = max(at for at, character in enumerate(number) if character.isdigit())
    yield number[:last] + str((int(number[last]) + 1) % 10) + number[last + 1 :]
    if number != "0":
        yield number[1:] if number.startswith("-") else f"-{number}"
        if "/" not in number and "." not in number and "e" not in number:
            yield f"{number}0"


def _try(row: Row, template: Template, text: str, expected: str) -> Iterator[Failure]:
    for rule in (template.rule, "lenient"):
        extraction = extract(text, rule, strict=template.rule if rule == "lenient" else None)
        outcome = grade(extraction, row.gold).outcome
        if outcome != expected and not (expected == "wrong" and outcome == "no_answer"):
            yield Failure(row.id, template.ref, rule, text, expected, outcome)
