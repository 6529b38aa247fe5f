"""A learning curve as text: a line a run, and a drawing for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from evalkit.compare.curve import Curve, Step
from evalkit.compare.diff import Diff, Side
from evalkit.compare.table import assemble, caveats, flatten, marked, paid_lines
from evalkit.compare.verdict import labels, verdict
from evalkit.text import Format, interval, json_text, p_text, points, render_grid

HEADER = ("run", "accuracy", "lenient", "against first", "p", "", "against previous", "p", "")
WIDTH = 60


def render_curve(curve: Curve, format: Format | Literal["json"]) -> str:
    """The whole curve; csv has a line for each comparison."""
    if format == "json":
        return json_text(curve.as_dict())
    steps = (*curve.against_first, *curve.against_previous)
    if format == "csv":
        lines = [
            {**flatten(s.diff), "verdict": verdict(s.diff, s.p_value), "p_holm": f"{s.p_value:.6g}"}
            for s in steps
        ]
        return render_grid(list(lines[0]), [list(line.values()) for line in lines], format)
    marks = tuple(sorted({mark for step in steps for mark in step.diff.marks}))
    grid = render_grid(*marked(HEADER, _lines(curve), marks), format)
    around = [
        f"* {curve.chosen.remark}",
        f"p adjusted for {curve.tests} tests (Holm 1979); intervals are not",
    ]
    around.append(f"{curve.n:,} questions of {curve.sides[0].task}; prompt {_prompts(curve.sides)}")
    around += paid_lines(curve.sides)
    around += _caveats([step.diff for step in steps])
    if format == "table":
        around += ["", draw(curve.sides)]
    return assemble(f"{curve.sentence()}.", grid, around, format)


def _lines(curve: Curve) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for i, (called, side) in enumerate(zip(labels(curve.sides), curve.sides, strict=True)):
        first = _cells(curve.against_first[i - 1]) if i else ("", "", "")
        previous = _cells(curve.against_previous[i - 2]) if i > 1 else ("", "", "")
        name = called + (" *" if i == curve.best else "")
        accuracy = f"{points(side.accuracy)} ({interval(*side.ci)})"
        lines.append((name, accuracy, points(side.lenient_accuracy), *first, *previous))
    return lines


def _cells(step: Step) -> tuple[str, str, str]:
    diff = step.diff
    change = f"{points(diff.delta, sign=True)} ({interval(*diff.ci)})"
    return change, p_text(step.p_value), verdict(diff, step.p_value)


def _prompts(sides: Sequence[Side]) -> str:
    return ", ".join(dict.fromkeys(f"{side.template} {side.fingerprint}" for side in sides))


def _caveats(diffs: Sequence[Diff]) -> list[str]:
    """What puts any of the comparisons in doubt, once."""
    few = sum(diff.few_discordant for diff in diffs)
    rough = (
        [f"few discordant pairs in {few} of {len(diffs)} comparisons: those intervals are rough"]
        if few
        else []
    )
    return [*rough, *dict.fromkeys(note for diff in diffs for note in caveats(diff))]


def draw(sides: Sequence[Side]) -> str:
    """Accuracy with its interval, a line a run, on one scale."""
    low, high = min(side.ci.low for side in sides), max(side.ci.high for side in sides)
    called = labels(sides)
    width = max(map(len, called))

    def column(value: float) -> int:
        return round((value - low) / ((high - low) or 1.0) * (WIDTH - 1))

    lines = []
    for name, side in zip(called, sides, strict=True):
        start, middle, end = column(side.ci.low), column(side.accuracy), column(side.ci.high)
        bar = " " * start + "─" * (middle - start) + "●" + "─" * (end - middle)
        lines.append(f"{name.ljust(width)}  {bar.ljust(WIDTH)}  {points(side.accuracy)}")
    scale = f"{points(low)}{points(high).rjust(WIDTH - len(points(low)))}"
    return "\n".join([*lines, f"{' ' * width}  {scale}"])
