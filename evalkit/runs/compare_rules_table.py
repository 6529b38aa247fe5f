"""Print a comparison of rules."""

from __future__ import annotations

from evalkit.runs.compare_rules import RuleComparison
from evalkit.text import Format, percent, printable, render_grid

_HEADER = ("rule", "accuracy", "correct", "wrong", "no answer", "unscored")
_LONGEST = 24


def render_comparison(comparison: RuleComparison, format: Format, shown: int) -> str:
    """A line a rule; as a table also the first `shown` rows on which the rules disagree."""
    lines = [
        (
            rule,
            percent(comparison.accuracy(rule), "-"),
            *(f"{counts[key]:,}" for key in ("correct", "wrong", "no_answer", "unscored")),
        )
        for rule, counts in comparison.counts.items()
    ]
    grid = render_grid(_HEADER, lines, format)
    if format != "table":
        return grid
    parts = [f"{comparison.run}: {comparison.rows:,} completions", grid]
    count = len(comparison.disagreements)
    parts.append(f"\nthe rules disagree on {count:,} of {comparison.rows:,}")
    for record, readings in comparison.disagreements[:shown]:
        parts.append(f"\n{printable(record.name)} sample {record.sample}, gold {printable(record.gold)}")
        parts += [
            f"  {'+' if outcome == 'correct' else '-'} {rule}: {_short(answer)}"
            for rule, (answer, outcome) in readings.items()
        ]
    return "\n".join(parts)


def _short(answer: str | None) -> str:
    if answer is None:
        return "no answer"
    flat = " ".join(printable(answer).split())
    return flat if len(flat) <= _LONGEST else flat[: _LONGEST - 1] + "…"
