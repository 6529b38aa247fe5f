"""A suite as text: a line a task, and the macro average below them."""

from __future__ import annotations

from typing import Literal

from evalkit.compare.diff import Diff
from evalkit.compare.suite.by_task import Suite
from evalkit.compare.table import as_json, flatten
from evalkit.compare.verdict import decide, names, verdict
from evalkit.text import Format, interval, json_text, p_text, points, render_grid

MACRO = "macro average"


def render_suite(suite: Suite, format: Format | Literal["json"]) -> str:
    """A line a task: questions, both accuracies, the paired difference, p adjusted for the tasks, verdict."""
    header, lines = suite_cells(suite, names(suite.tasks[0].diff))
    text = render_grid(header, lines, format if format != "json" else "table")
    return "\n".join([text, *suite_notes(suite)])


def suite_cells(suite: Suite, called: tuple[str, str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and lines of the table; `called` names base and new."""
    header = ("task", "questions", *called, "difference", "95 % CI", "p", "verdict")
    lines: list[tuple[str, ...]] = []
    for part in suite.tasks:
        diff = part.diff
        figures = (points(diff.base.accuracy), points(diff.new.accuracy), points(diff.delta, sign=True))
        word = verdict(diff, part.p_value)
        lines.append((part.task, f"{diff.n:,}", *figures, interval(*diff.ci), p_text(part.p_value), word))
    return header, [*lines, _macro_line(suite)]


def suite_notes(suite: Suite) -> list[str]:
    """What is to be known of the figures, a line each."""
    tests = len(suite.tasks)
    notes = [f"p of tasks adjusted for {tests} tests (Holm 1979); the macro average weighs tasks alike"]
    return notes + [f"left out, no question that both runs could score: {task}" for task in suite.left_out]


def _macro_line(suite: Suite) -> tuple[str, ...]:
    macro = suite.macro
    word = decide(macro.delta, macro.ci, macro.p_value)
    figures = (points(macro.base.value), points(macro.new.value), points(macro.delta, sign=True))
    return (MACRO, f"{macro.tasks} tasks", *figures, interval(*macro.ci), p_text(macro.p_value), word)


def suite_json(diff: Diff, suite: Suite) -> str:
    """The comparison of all questions, with the tasks and the macro average under `suite`."""
    return json_text({**as_json(diff), "suite": suite.as_dict()})


def suite_csv(diff: Diff, suite: Suite) -> str:
    """A line for all questions together, then one a task; the column `task` comes first."""
    whole = {"task": "all", **flatten(diff), "p_holm": ""}
    lines = [whole] + [
        {"task": part.task, **flatten(part.diff), "p_holm": f"{part.p_value:.6g}"} for part in suite.tasks
    ]
    return render_grid(list(whole), [list(line.values()) for line in lines], "csv")
