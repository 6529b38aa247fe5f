"""Two runs of the same tasks: a comparison a task, Holm over the tasks, and the macro average."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evalkit.compare.align import Aligned, subset
from evalkit.compare.diff import Diff, LinedUp, compare_pair, plain
from evalkit.compare.measures import Estimate
from evalkit.locks.parts import lock_parts
from evalkit.runs.folder import Run
from evalkit.stats.pairs import Interval, holm, student_p
from evalkit.stats.samples import mean_se


@dataclass(frozen=True, kw_only=True)
class TaskDiff:
    """One task of a suite. `p_value` is adjusted for all tasks (Holm 1979); `diff.p_value` is not."""

    task: str
    diff: Diff
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Macro:
    """The mean over tasks, each with the same weight however many questions it has; shares."""

    tasks: int
    base: Estimate
    new: Estimate
    delta: float
    ci: Interval
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Suite:
    """`left_out` names tasks without a question that both runs could score: they count in nothing."""

    tasks: tuple[TaskDiff, ...]
    macro: Macro
    left_out: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """What `--format json` prints under `suite`; documented in docs/diff.md."""
        return {
            "tasks": [
                {"task": part.task, "p_holm": part.p_value, **part.diff.as_dict()} for part in self.tasks
            ],
            "macro": plain(self.macro),
            "left_out": list(self.left_out),
        }


def tasks_of(run: Run) -> dict[str, tuple[str, ...]]:
    """The row ids of each task of a run, in the order of the command."""
    parts = lock_parts(run.lock)
    return {str(part.task): part.ids for part in parts}


def suite_of(lined_up: LinedUp, base_at: int = 0, new_at: int = -1, looks: int = 1) -> Suite | None:
    """Compare two of the runs that were lined up task by task; None where they hold one task.

    By default the last run against the first. A question belongs to the task that the base's lock names.
    """
    new_at %= len(lined_up.runs)
    tasks = tasks_of(lined_up.runs[base_at])
    if len(tasks) < 2:
        return None
    parts = [
        (task, subset(lined_up.aligned, np.array([row.encode() for row in ids], dtype=np.bytes_)))
        for task, ids in tasks.items()
    ]
    found = [(task, aligned) for task, aligned in parts if aligned.n]
    diffs = [compare_pair(replace(lined_up, aligned=part), base_at, new_at, looks) for _, part in found]
    if not diffs:
        return None
    adjusted = holm([diff.p_value for diff in diffs])
    return Suite(
        tasks=tuple(
            TaskDiff(task=task, diff=diff, p_value=p)
            for (task, _), diff, p in zip(found, diffs, adjusted, strict=True)
        ),
        macro=_macro(diffs, [part for _, part in found], base_at, new_at),
        left_out=tuple(task for task, aligned in parts if not aligned.n),
    )


def _macro(diffs: Sequence[Diff], parts: Sequence[Aligned], base_at: int, new_at: int) -> Macro:
    """Means over tasks, whose questions are independent of each other's."""
    sides = [_mean([Estimate(side.accuracy, side.ci) for side in pair]) for pair in _sides(diffs)]
    delta = _mean([Estimate(diff.delta, diff.ci) for diff in diffs])
    differences = [
        part.runs[new_at].correct / part.runs[new_at].samples
        - part.runs[base_at].correct / part.runs[base_at].samples
        for part in parts
    ]
    variances = [mean_se(values) ** 2 for values in differences]
    changed = sum(int(np.count_nonzero(values)) for values in differences)
    return Macro(
        tasks=len(diffs),
        base=sides[0],
        new=sides[1],
        delta=delta.value,
        ci=delta.ci,
        p_value=_p_value(delta.value * len(diffs), variances, [len(v) for v in differences], changed),
    )


def _sides(diffs: Sequence[Diff]) -> tuple[list[Any], list[Any]]:
    return [diff.base for diff in diffs], [diff.new for diff in diffs]


def _mean(parts: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates, its interval recovered from theirs (Zou & Donner 2008, Stat. Med.
    27:1693, eq. 2): so it keeps what Tango's and Wilson's intervals know of small counts.
    """
    k = len(parts)
    value = sum(part.value for part in parts) / k
    below = math.sqrt(sum((part.value - part.ci.low) ** 2 for part in parts)) / k
    above = math.sqrt(sum((part.ci.high - part.value) ** 2 for part in parts)) / k
    return Estimate(value, Interval(value - below, value + above))


def _p_value(total: float, variances: Sequence[float], sizes: Sequence[int], changed: int) -> float:
    """Two-sided p of a sum of means of paired differences, by Student's t with Welch's degrees of freedom
    (Satterthwaite 1946); never below what a sign test of the questions that changed could give.
    """
    variance = sum(variances)
    if changed == 0:
        return 1.0
    if variance == 0:
        return 2.0 ** (1 - changed)
    weights = [v * v / (n - 1) for v, n in zip(variances, sizes, strict=True) if n > 1]
    freedom = int(variance**2 / sum(weights)) if sum(weights) else 0
    return max(student_p(total / math.sqrt(variance), freedom), 2.0 ** (1 - changed))
