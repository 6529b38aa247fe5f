"""The results file that lm-evaluation-harness writes beside its sample logs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prompts.errors import UserError
from prompts.files import read_plain

BY_TASK = ("results", "versions", "n-shot", "configs", "config")


def read_results(log: Path, date: str, task: str) -> Mapping[str, Any]:
    """The results file of the same run as a log, {} where there is none.

    Raises UserError where it cannot be read, or one of its values that is used has another type.
    """
    path = log.with_name(f"results_{date}.json")
    if not path.exists():
        return {}
    try:
        results = json.loads(read_plain(path))  # which takes NaN, as the harness writes it
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    odd = [key for key in BY_TASK if not isinstance(results.get(key) or {}, dict)] if _is(results) else ["it"]
    if not odd and not _is((results.get("configs") or {}).get(task) or {}):
        odd = ["configs"]
    if not odd and not isinstance(results.get("date") or 0, int | float):
        odd = ["date"]
    if odd:
        raise UserError(f"{path}: {odd[0]} has not the form that lm-eval writes; bring back its file")
    return {key: value for key, value in results.items() if value is not None}


def _is(value: Any) -> bool:
    return isinstance(value, dict)
