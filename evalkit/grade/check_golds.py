"""The self-test of golds: `evalkit tasks check`.

Each gold is written as a model would write it under each template, and must score correct; a
neighbour of the gold (a digit changed, the sign flipped, ten times as much) must score wrong. Both
under the template's rule and under `lenient`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evalkit.extract.numbers import canonical
from evalkit.extract.rules import resolve_rule
from evalkit.gold import NO_GOLD, acceptable, is_code
from evalkit.grade.grade import gold_problem
from evalkit.grade.judge import judge
from evalkit.grade.same_question import normal_text
from evalkit.grade.user_function import is_function
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


ANOTHER_GOLD = "asked before with another gold: one of the two is wrong, unless the prompt shows what differs"


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
    problems: tuple[GoldProblem, ...] = ()

    @property
    def refused(self) -> int:
        """Golds that are there and cannot be used, because of their shape or because they are code."""
        return sum(problem.rows for problem in self.problems if problem.refused)


@dataclass(frozen=True)
class GoldProblem:
    """Why golds cannot be scored, of how many rows, and the first of them."""

    problem: str
    rows: int
    first: str
    refused: bool


def gold_problems(rows: Sequence[Row], templates: Sequence[Template]) -> tuple[GoldProblem, ...]:
    """Missing golds, golds in shapes that cannot be read, code, two golds; the most frequent first."""
    found: dict[str, list[str]] = {}
    for row in rows:
        problem = row.problem
        if problem and problem.startswith("duplicate of"):
            continue
        if problem is None and row.gold and is_code(row.gold):
            problem = next(filter(None, (gold_problem(row.gold, t.rule) for t in templates)), None)
        if problem:
            found.setdefault(problem, []).append(row.id)
    asked = ((normal_text(row.question), row) for row in rows if not row.messages)
    if other := with_another_gold(asked):
        found[ANOTHER_GOLD] = [row.id for row in other]
    problems = [
        GoldProblem(why, len(ids), ids[0], why not in (NO_GOLD, ANOTHER_GOLD)) for why, ids in found.items()
    ]
    return tuple(sorted(problems, key=lambda problem: -problem.rows))


def with_another_gold(said: Iterable[tuple[str, Row]]) -> list[Row]:
    """Rows that say what an earlier row says, under another gold; 0.5 and 1/2 are one gold.

    Whatever the model answers to these, a row of each pair calls it wrong.
    """
    first: dict[str, str] = {}
    found = []
    for text, row in said:
        if row.gold is not None:
            gold = canonical(row.gold.strip()) or " ".join(row.gold.casefold().split())
            if first.setdefault(text, gold) != gold:
                found.append(row)
    return found


def check_golds(rows: Sequence[Row], templates: Sequence[Template]) -> Report:
    """Write every gold and its neighbours under every template, and score them."""
    failures: list[Failure] = []
    texts = unscored = 0
    for row in rows:
        for template in templates:
            if row.gold is None or gold_problem(row.gold, template.rule) is not None:
                unscored += 1
                continue
            if is_function(template.rule):
                unscored += 1  # what a grader wants to read is its own secret
                continue
            answers = acceptable(row.gold)
            others = (other for other in neighbours(answers[0]) if other not in answers)
            pairs = [*((one, "correct") for one in answers), *((other, "wrong") for other in others)]
            for answer, expected in pairs:
                texts += 1
                failures += _try(row, template, written(answer, template.rule), expected)
    refs = tuple(template.ref for template in templates)
    return Report(len(rows), refs, texts, unscored, tuple(failures), gold_problems(rows, templates))


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
    read = judge(text, row.gold, template.rule)
    for rule, outcome in ((template.rule, read.grade.outcome), ("lenient", read.lenient_outcome)):
        if outcome != expected and not (expected == "wrong" and outcome == "no_answer"):
            yield Failure(row.id, template.ref, rule, text, expected, outcome)
