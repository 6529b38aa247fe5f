"""What `evalkit tasks list` says about each task."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from evalkit.tasks import hub, reasoning, sums

KEYS = ["task", "splits", "prompt", "response", "rows from"]


def listing() -> list[dict[str, Any]]:
    """One entry a task; the data are not read."""
    rows: list[dict[str, Any]] = [
        {
            "task": name,
            "splits": " ".join(spec.splits),
            "prompt": spec.template,
            "response": f"{spec.max_tokens} tokens",
            "rows from": f"--data, EVALKIT_DATA, or {spec.repo} on the hub",
        }
        for name, spec in hub.TASKS.items()
    ]
    rows.append(
        {
            "task": "sums, sums:999",
            "splits": "test train",
            "prompt": sums.load("sums", "test").template,
            "response": "16 tokens and up",
            "rows from": "a seed; a + b up to 20, or up to the number given",
        }
    )
    installed = find_spec("reasoning_gym") is not None
    rows += [
        {
            "task": f"rg:{name}",
            "splits": "test train",
            "prompt": reasoning.TEMPLATE,
            "response": f"{reasoning.MAX_TOKENS} tokens",
            "rows from": "reasoning-gym" if installed else "reasoning-gym (pip install reasoning-gym)",
        }
        for name in reasoning.NAMES
    ]
    return rows
