"""Locks of several tasks at once: one lock holds all parts, and each part can be looked at alone.

A lock of one task is left as it is, byte for byte. That of more has `data.parts` (task, split, weight, row
ids), and `reading.parts` for the tasks whose reading is not that of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.tasks.task import Task
from prompts.lock import Lock

JOINED = " + "
"""Between the names of tasks."""


@dataclass(frozen=True)
class LockPart:
    """One task in a lock: what its prompts and answers are read with, and which rows are its own."""

    task: str | None
    split: str | None
    weight: float
    reading: dict[str, Any]
    ids: tuple[str, ...]


def join_locks(locks: Sequence[Lock], weights: Sequence[float] = (), like: Lock | None = None) -> Lock:
    """One lock that holds the locks of several tasks; that of one task is returned as it is.

    `weights` are the tasks' shares in training, 1 by default; `like` names a lock whose weights and marks
    are taken over. The budget is that of the first.
    """
    shares = [part.weight for part in lock_parts(like)] if like else list(weights) or [1.0] * len(locks)
    first = locks[0]
    marks = {"marks": like.data["marks"]} if like and "marks" in like.data else {}
    if len(locks) == 1:
        return replace(first, data={**first.data, **marks}) if marks else first
    parts = [
        {
            "task": lock.data["task"],
            "split": lock.data["split"],
            "rows": lock.data["rows"],
            **({"weight": share} if share != 1 else {}),
            "ids": sorted(lock.data["prompts"]),
        }
        for lock, share in zip(locks, shares, strict=True)
    ]
    splits = list(dict.fromkeys(str(part["split"]) for part in parts))
    prompts = {row_id: ids for lock in reversed(locks) for row_id, ids in lock.data["prompts"].items()}
    data = {
        "task": JOINED.join(str(part["task"]) for part in parts),
        "split": JOINED.join(splits),
        "rows": sum(part["rows"] for part in parts),
        "prompts": dict(sorted(prompts.items())),
        "parts": parts,
        **marks,
    }
    others = {str(lock.data["task"]): lock.reading for lock in locks if lock.reading != first.reading}
    reading = {**first.reading, "parts": others} if others else first.reading
    carried = {str(lock.data["task"]): lock.carries for lock in locks if lock.reading != first.reading}
    carries = {**first.carries, "parts": carried} if carried else first.carries
    return Lock(reading, data, first.budget, carries)


def marked_lock(lock: Lock, marks: Sequence[str]) -> Lock:
    """The lock with what must be said for ever of checkpoints under it; the lock itself without marks."""
    return replace(lock, data={**lock.data, "marks": list(marks)}) if marks else lock


def lock_parts(lock: Lock) -> list[LockPart]:
    """The tasks of a lock in their order; one for a lock of one task."""
    own = {key: value for key, value in lock.reading.items() if key != "parts"}
    if "parts" not in lock.data:
        ids = tuple(lock.data.get("prompts", {}))
        return [LockPart(lock.data.get("task"), lock.data.get("split"), 1.0, own, ids)]
    readings = lock.reading.get("parts", {})
    return [
        LockPart(
            str(part["task"]),
            part["split"],
            float(part.get("weight", 1)),
            readings.get(part["task"], own),
            tuple(part["ids"]),
        )
        for part in lock.data["parts"]
    ]


def lock_tasks(lock: Lock) -> list[str | None]:
    """The names of a lock's tasks."""
    return [part.task for part in lock_parts(lock)]


def lock_of(lock: Lock, task: str) -> Lock:
    """The lock of one of its tasks alone; the lock itself where it holds only one, or not this one."""
    part = next((part for part in lock_parts(lock) if part.task == task), None)
    if "parts" not in lock.data or part is None:
        return lock
    prompts = {row_id: lock.data["prompts"][row_id] for row_id in part.ids}
    data = {"task": part.task, "split": part.split, "rows": len(prompts), "prompts": prompts}
    carries = lock.carries.get("parts", {}).get(part.task, lock.carries)
    return Lock(part.reading, data, lock.budget, {k: v for k, v in carries.items() if k != "parts"})


def is_other_task(lock: Lock, task: Task) -> bool:
    """Whether the rows come from another task than the lock's; a file without a lock belongs to none."""
    locked = [name for name in lock_tasks(lock) if name is not None]
    return bool(locked) and task.name not in locked and task.named
