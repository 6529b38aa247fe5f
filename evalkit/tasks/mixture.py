"""Several tasks at once, as `--task gsm8k*2 --task mine.jsonl` names them: each with a weight in training."""

from __future__ import annotations

import math
from pathlib import Path

from prompts.errors import UserError

LARGEST = 1000
"""Times that a row may stand in an epoch: rows are written so often."""


def parse_weight(asked: str) -> tuple[str, float]:
    """A task's name and the weight behind `*`, 1 where there is none.

    Raises UserError for a weight that is no number above 0 and at most LARGEST.
    """
    name, star, text = asked.rpartition("*")
    if not star or Path(asked).exists():
        return asked, 1.0
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not name or not math.isfinite(weight) or not 0 < weight <= LARGEST:
        raise UserError(
            f"--task {asked}: the weight behind * is {text!r}, it must be a number above 0 and at most "
            f"{LARGEST:,}, as in --task {name or 'gsm8k'}*2 (each row twice an epoch) "
            "or *0.5 (half of the rows)"
        )
    return name, weight
