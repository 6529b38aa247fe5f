"""The accuracy of each task in a run of several tasks."""

from __future__ import annotations

from evalkit.runs.folder import Run


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
