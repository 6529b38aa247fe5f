"""The same completions under every rule: `evalkit compare-rules`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.extract.choice.options import count_options
from evalkit.extract.reading import extract
from evalkit.extract.rules import RULES, resolve_rule
from evalkit.grade.grade import SCORER_VERSION, grade
from evalkit.grade.judge import final_answer
from evalkit.records import OUTCOMES, UNANSWERED, Outcome, Record
from evalkit.runs.folder import Run

Reading = tuple[str | None, Outcome]


@dataclass(frozen=True)
class RuleComparison:
    """Counts of each rule, and the records on whose outcome the rules are not of one mind."""

    run: str
    rows: int
    counts: dict[str, Counter[str]]
    disagreements: tuple[tuple[Record, dict[str, Reading]], ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, in the order of the rules."""
        return {
            "run": self.run,
            "rows": self.rows,
            "rules": [
                {"rule": rule, "accuracy": self.accuracy(rule), **{key: counts[key] for key in OUTCOMES}}
                for rule, counts in self.counts.items()
            ],
            "disagreements": [
                {
                    "id": record.id,
                    "sample": record.sample,
                    "gold": record.gold,
                    "readings": {rule: {"answer": a, "outcome": o} for rule, (a, o) in readings.items()},
                }
                for record, readings in self.disagreements
            ],
        }

    def accuracy(self, rule: str) -> float | None:
        """Correct of all rows that could be scored; None where none could."""
        scored = self.rows - self.counts[rule]["unscored"]
        return self.counts[rule]["correct"] / scored if scored else None


def compare_rules(run: Run, rules: Sequence[str] = tuple(RULES)) -> RuleComparison:
    """Read every completion of a run under every rule. Raises UserError for an unknown rule.

    `lenient` tries the run's own rule first, as scoring does: what is strictly right is leniently right.
    """
    names = [resolve_rule(rule)[0] for rule in rules]
    own = run.lock.rule
    known = own.partition("@")[0] in RULES  # an imported run's is another tool's
    first = {name: own if known and name.startswith("lenient@") else None for name in names}
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    disagreements = []
    for record in run.records:
        readings: dict[str, Reading] = {}
        for name in names:
            version = run.lock.scorer_version if own in (name, first[name]) else SCORER_VERSION
            thinking = run.lock.reading.get("thinking")
            readings[name] = _read(record, name, first[name], thinking, version)
            counts[name][readings[name][1]] += 1
        if len({outcome == "correct" for _, outcome in readings.values()}) > 1:
            disagreements.append((record, readings))
    return RuleComparison(run.name, len(run.records), counts, tuple(disagreements))


def _read(
    record: Record, rule: str, first: str | None, thinking: Mapping[str, Any] | None, version: int
) -> Reading:
    if record.finish_reason in UNANSWERED:
        return None, "unscored"
    part = final_answer(record.text, rule, thinking, record.markers or ())
    options = count_options(record.question or "")
    found = extract(record.text[part.start : part.end], rule, strict=first, options=options)
    return found.answer, grade(found, record.gold, version).outcome
