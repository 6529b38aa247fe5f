"""What the report says of runs compared with each other, from `evalkit.compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalkit.compare.comparable import run_differences
from evalkit.compare.curve import FLATTERED, curve_of
from evalkit.compare.diff import Diff, diff_runs, line_up
from evalkit.compare.verdict import sentence
from evalkit.locks.difference import describe
from evalkit.report.charts import FlowChart, flow_bar
from evalkit.runs.folder import Run
from evalkit.stats.pairs import holm
from evalkit.text import interval, p_text, percent, points
from prompts.errors import Mismatch, UserError


@dataclass(frozen=True, kw_only=True)
class PairReport:
    """A run (the place `new`) against another; `p_value` is adjusted for all pairs of the report (Holm)."""

    base: int
    new: int
    diff: Diff
    p_value: float


@dataclass(frozen=True, kw_only=True)
class ReportedComparison:
    """`against_first` has the cells delta and p of each run; `pairs` all that could be compared."""

    sentence: str
    notices: tuple[str, ...]
    remark: str
    against_first: tuple[tuple[str, str], ...]
    pairs: tuple[PairReport, ...]


def compare_runs(runs: Sequence[Run], keys: str) -> ReportedComparison:
    """Every run against the first and against the one before; what cannot be compared is said, not hidden."""
    notices = [
        f"{key} {run.name} is marked: {', '.join(run.manifest.marks)}"
        for key, run in zip(keys, runs, strict=True)
        if run.manifest.marks
    ]
    refused: dict[tuple[int, int], str] = {}
    try:
        text, pairs = _together(runs)
    except UserError:
        pairs, refused = _one_by_one(runs)
        text = f"{len(runs)} runs side by side; not all of them can be compared."
    notices += [f"{keys[a]} and {keys[b]} are not compared: {why}" for (a, b), why in refused.items()]
    against_first = {pair.new: pair for pair in pairs if pair.base == 0}
    tests = f"; p is adjusted for {len(pairs)} tests (Holm); {FLATTERED}" if len(pairs) > 1 else ""
    return ReportedComparison(
        sentence=text,
        notices=tuple(notices),
        remark=f"Brackets hold 95 % intervals; delta, in points, and p are paired against run A{tests}.",
        against_first=tuple(_cells(against_first, i) for i in range(len(runs))),
        pairs=tuple(pairs),
    )


def _together(runs: Sequence[Run]) -> tuple[str, list[PairReport]]:
    """All runs on one set of questions, as `evalkit diff` has them; UserError where that cannot be."""
    if len(runs) == 1:
        return _alone(runs[0]), []
    if len(runs) == 2:
        diff = diff_runs(runs[0], runs[1])
        return f"{sentence(diff)}.", [PairReport(base=0, new=1, diff=diff, p_value=diff.p_value)]
    curve = curve_of(line_up(runs))
    steps = [(0, i, step) for i, step in enumerate(curve.against_first, 1)]
    steps += [(i - 1, i, step) for i, step in enumerate(curve.against_previous, 2)]
    return f"{curve.sentence()}.", [
        PairReport(base=a, new=b, diff=s.diff, p_value=s.p_value) for a, b, s in steps
    ]


def _alone(run: Run) -> str:
    summary = run.summary
    right = f"{percent(summary.accuracy)} of {summary.n:,} questions right"
    return f"{run.name}: {right}, 95 % CI {interval(*summary.ci)}."


def _one_by_one(runs: Sequence[Run]) -> tuple[list[PairReport], dict[tuple[int, int], str]]:
    """The pairs that can be compared, and why the others cannot."""
    found: dict[tuple[int, int], Diff] = {}
    refused: dict[tuple[int, int], str] = {}
    later = range(1, len(runs))
    for a, b in sorted({(0, i) for i in later} | {(i - 1, i) for i in later}):
        result = _compare(runs[a], runs[b])
        if isinstance(result, Diff):
            found[a, b] = result
        else:
            refused[a, b] = result
    adjusted = holm([diff.p_value for diff in found.values()])
    pairs = [
        PairReport(base=a, new=b, diff=diff, p_value=p)
        for ((a, b), diff), p in zip(found.items(), adjusted, strict=True)
    ]
    return pairs, refused


def _compare(base: Run, new: Run) -> Diff | str:
    for key in ("task", "split"):
        if (left := getattr(base.manifest, key)) != (right := getattr(new.manifest, key)):
            return f"they are of different {key}s, {left} and {right}"
    try:
        if found := run_differences(base, new):
            return f"{len(found)} keys differ that must be equal (left | right):\n{describe(found)}"
        return diff_runs(base, new)
    except Mismatch as error:
        return f"{error}\n{error.detail}"
    except UserError as error:
        return str(error)


def _cells(against_first: Mapping[int, PairReport], place: int) -> tuple[str, str]:
    pair = against_first.get(place)
    if pair is None:
        return "—", "—"
    return f"{points(pair.diff.delta, sign=True)} [{interval(*pair.diff.ci)}]", p_text(pair.p_value)


def flow_chart(comparison: ReportedComparison, keys: str) -> FlowChart | None:
    """Fixed and broken questions of every compared pair; None where no pair could be compared."""
    if not comparison.pairs:
        return None
    return FlowChart(
        id="flow",
        title="Fixed and broken questions",
        note="Questions by whether the first and the second run answer them rightly.",
        bars=tuple(
            flow_bar(
                f"{keys[pair.base]} to {keys[pair.new]}",
                pair.diff.n,
                both_right=pair.diff.both_right,
                fixed=pair.diff.fixed,
                broken=pair.diff.broken,
                both_wrong=pair.diff.both_wrong,
            )
            for pair in comparison.pairs
        ),
    )
