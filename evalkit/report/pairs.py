"""What the report says of runs against each other, from `evalkit.diff`: sentence, deltas, flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalkit.comparable import describe, differences
from evalkit.diff import Diff, diff_runs
from evalkit.report.charts import FlowChart, flow_bar
from evalkit.results import Run
from evalkit.verdict import p_text, points, sentence
from prompts.errors import Mismatch, UserError


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`against_first` has the cells delta and p of each run; `pairs` the named comparisons to draw."""

    sentence: str
    notices: tuple[str, ...]
    against_first: tuple[tuple[str, str], ...]
    pairs: tuple[tuple[str, Diff], ...]


def compare_runs(runs: Sequence[Run], keys: str) -> Comparison:
    """Every run against the first and against the one before; what cannot be compared is said, not hidden."""
    notices = [
        f"{key} {run.name} is marked: {', '.join(run.manifest['marks'])}"
        for key, run in zip(keys, runs, strict=True)
        if run.manifest["marks"]
    ]
    found: dict[tuple[int, int], Diff] = {}
    for base, new in sorted(
        {(0, i) for i in range(1, len(runs))} | {(i - 1, i) for i in range(1, len(runs))}
    ):
        result = _compare(runs[base], runs[new])
        if isinstance(result, Diff):
            found[base, new] = result
        else:
            notices.append(f"{keys[base]} and {keys[new]} are not compared: {result}")
    return Comparison(
        sentence=_sentence(runs, found),
        notices=tuple(notices),
        against_first=tuple(_cells(found.get((0, i))) for i in range(len(runs))),
        pairs=tuple((f"{keys[base]} to {keys[new]}", found[base, new]) for base, new in sorted(found)),
    )


def _compare(base: Run, new: Run) -> Diff | str:
    for key in ("task", "split"):
        if base.manifest[key] != new.manifest[key]:
            return f"they are of different {key}s, {base.manifest[key]} and {new.manifest[key]}"
    try:
        if found := differences(base, new):
            return f"{len(found)} keys differ that must be equal (left | right):\n{describe(found)}"
        return diff_runs(base, new)
    except Mismatch as error:
        return f"{error}\n{error.detail}"
    except UserError as error:
        return str(error)


def _sentence(runs: Sequence[Run], found: Mapping[tuple[int, int], Diff]) -> str:
    """The last run against the first; what a single run, or runs that cannot be compared, come to."""
    diff = found.get((0, len(runs) - 1))
    if diff is not None:
        return f"{sentence(diff)}."
    if len(runs) > 1:
        return f"{len(runs)} runs side by side; the first and the last cannot be compared."
    summary = runs[0].summary
    low, high = (100 * value for value in summary["ci"])
    return (
        f"{runs[0].name}: {100 * summary['accuracy']:.1f} % of {summary['n']:,} questions right, "
        f"95 % CI {low:.1f} to {high:.1f}."
    )


def _cells(diff: Diff | None) -> tuple[str, str]:
    if diff is None:
        return "—", "—"
    low, high = points(diff.ci.low, sign=True), points(diff.ci.high, sign=True)
    return f"{points(diff.delta, sign=True)} [{low}, {high}]", p_text(diff.p_value)


def flow_chart(comparison: Comparison) -> FlowChart | None:
    """Fixed and broken questions of every compared pair; None where no pair could be compared."""
    if not comparison.pairs:
        return None
    return FlowChart(
        id="flow",
        title="Fixed and broken questions",
        note="Questions by whether the first and the second run answer them rightly.",
        bars=tuple(
            flow_bar(
                name,
                both_right=diff.both_right,
                fixed=diff.fixed,
                broken=diff.broken,
                both_wrong=diff.both_wrong,
            )
            for name, diff in comparison.pairs
        ),
    )
