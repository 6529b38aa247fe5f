"""Gold solutions for the report: records hold the gold alone, so they are read from the task again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalkit.records import Row
from evalkit.runs.folder import Run
from evalkit.tasks.hub import TASKS
from evalkit.tasks.load import load_rows
from prompts.errors import UserError


def gold_solutions(runs: Sequence[Run], data: Path | None) -> tuple[dict[str, str], str | None]:
    """Row id to solution text for the runs' tasks, and why there are none (None where there are some).

    Only local data is read: a report must not reach for the network.
    """
    wanted = {record.id for run in runs for record in run.records}
    found: dict[str, str] = {}
    for task, split in sorted({(run.manifest.task, run.manifest.split) for run in runs}):
        if task in TASKS and data is None:
            return (
                {},
                f"gold solutions of {task} are read from its data; name the folder by --data or EVALKIT_DATA",
            )
        try:
            rows = load_rows(task, split, data=data).rows
        except UserError as error:
            return {}, str(error)
        found |= {row.id: text for row in rows if row.id in wanted and (text := _solution(row))}
    return found, None if found else "these questions have no gold solutions, only answers"


def _solution(row: Row) -> str | None:
    """The worked solution of a row: its own field (MATH), or an answer that ends in `####` (GSM8K)."""
    solution, answer = row.fields.get("solution"), row.fields.get("answer")
    if isinstance(solution, str) and solution.strip():
        return solution
    return answer if isinstance(answer, str) and "####" in answer else None
