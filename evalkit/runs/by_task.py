"""The tasks in a run of several: how each is read, and its accuracy."""

from __future__ import annotations

from typing import Any

from evalkit.runs.folder import Run
from prompts.lock import Lock


def locks_by_row(lock: Lock) -> dict[str, Lock]:
    """The lock of its task for each row of a task that is read otherwise than the first."""
    readings: dict[str, dict[str, Any]] = lock.reading.get("parts", {})
    locks = {task: Lock(reading, {}, lock.budget) for task, reading in readings.items()}
    return {
        row_id: locks[part["task"]]
        for part in lock.data.get("parts", ())
        if part["task"] in locks
        for row_id in part["ids"]
    }


def accuracy_by_task(run: Run) -> dict[str, tuple[int, int]]:
    """Correct records and all records of each task; empty for a run of one task."""
    tasks = {row_id: part["task"] for part in run.lock.data.get("parts", ()) for row_id in part["ids"]}
    found: dict[str, tuple[int, int]] = {}
    for record in run.records:
        if (task := tasks.get(record.id)) is not None:
            right, total = found.get(task, (0, 0))
            found[task] = (right + (record.outcome == "correct"), total + 1)
    return found


def lines_by_task(run: Run) -> list[str]:
    """One line a task: its accuracy and how many records it has."""
    return [
        f"{task}: {100 * right / total:.1f} % of {total:,}"
        for task, (right, total) in accuracy_by_task(run).items()
    ]
