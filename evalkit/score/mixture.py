"""Several tasks in one run: each under its own template and rule, one lock and one result for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evalkit.locks.parts import JOINED, join_locks
from evalkit.records import Row
from evalkit.score.plan import RunPlan
from prompts.errors import UserError


def join_plans(plans: Sequence[RunPlan]) -> RunPlan:
    """One plan of all rows, in the order of the tasks; that of one task is returned as it is.

    A row that an earlier task has too is kept, and scored once: it says so in `problem`. Raises UserError
    for a task named twice.
    """
    first = plans[0]
    if len(plans) == 1:
        return first
    names = [plan.task.name for plan in plans]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"--task names {twice} twice; name it once")
    rows: list[Row] = []
    seen: dict[str, int] = {}
    parts = []
    for plan in plans:
        own = []
        for row in plan.task.rows:
            seen[row.id] = count = seen.get(row.id, 0) + 1
            if count > 1:
                row = replace(row, id=f"{row.id}-of-task-{count}", problem=f"duplicate of {row.id}")
            own.append(row)
        rows += own
        prompts = {
            row.id: plan.lock.data["prompts"][before.id]
            for row, before in zip(own, plan.task.rows, strict=True)
        }
        parts.append(replace(plan.lock, data={**plan.lock.data, "prompts": dict(sorted(prompts.items()))}))
    splits = list(dict.fromkeys(plan.task.split for plan in plans))
    task = replace(
        first.task, name=JOINED.join(names), split=JOINED.join(splits), rows=tuple(rows), source=None
    )
    return replace(
        first,
        task=task,
        prompts=tuple(ids for plan in plans for ids in plan.prompts),
        lock=join_locks(parts),
        graders=tuple(grader for plan in plans for grader in plan.graders),
        rules=tuple(plan.lock.rule for plan in plans for _ in plan.task.rows),
        marks=tuple(dict.fromkeys(mark for plan in plans for mark in plan.marks)),
    )
