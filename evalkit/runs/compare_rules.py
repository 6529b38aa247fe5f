"""The same completions under every rule: `evalkit compare-rules`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.extract.rules import RULES, resolve_rule
from evalkit.grade.grade import SCORER_VERSION
from evalkit.grade.judge import judge
from evalkit.records import OUTCOMES, UNANSWERED, Outcome, Record
from evalkit.runs.by_task import locks_by_row
from evalkit.runs.folder import Run
from prompts.lock import Lock

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

    `lenient` tries the own rule of the run, or of the row's task, first, as scoring does: what is strictly
    right is leniently right.
    """
    names = [resolve_rule(rule)[0] for rule in rules]
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    disagreements = []
    locks = locks_by_row(run.lock)
    for record in run.records:
        lock = locks.get(record.id, run.lock)
        readings = {name: _read(record, name, lock) for name in names}
        for name, (_, outcome) in readings.items():
            counts[name][outcome] += 1
        if len({outcome == "correct" for _, outcome in readings.values()}) > 1:
            disagreements.append((record, readings))
    return RuleComparison(run.name, len(run.records), counts, tuple(disagreements))


def _read(record: Record, rule: str, lock: Lock) -> Reading:
    """A record read by a rule; the run's own scorer compares where its own rule reads."""
    if record.finish_reason in UNANSWERED:
        return None, "unscored"
    own = lock.rule
    known = own.partition("@")[0] in RULES  # an imported run's is another tool's
    cascade = rule if known and rule.startswith("lenient@") else None
    judgement = judge(
        record.text,
        record.gold,
        own if cascade else rule,
        lock.reading.get("thinking"),
        record.markers,
        record.thinking_tokens,
        version=lock.scorer_version if cascade or rule == own else SCORER_VERSION,
        question=record.question,
        lenient=cascade,
        truncated=record.truncated,
    )
    if cascade:
        return judgement.lenient.answer, judgement.lenient_outcome
    return judgement.extraction.answer, judgement.grade.outcome
