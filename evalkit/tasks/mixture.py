"""Several tasks at once, as `--task gsm8k*2 --task mine.jsonl` names them: each with a weight in training."""

from __future__ import annotations

import math
from pathlib import Path

from prompts.errors import UserError


def parse_weight(asked: str) -> tuple[str, float]:
    """A task's name and the weight behind `*`, 1 where there is none.

    Raises UserError for a weight that is no number above 0.
    """
    name, star, text = asked.rpartition("*")
    if not star or Path(asked).exists():
        return asked, 1.0
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not name or not math.isfinite(weight) or weight <= 0:
        raise UserError(
            f"--task {asked}: the weight behind * is {text!r}, it must be a number above 0, as in "
            f"--task {name or 'gsm8k'}*2 (each row twice an epoch) or *0.5 (half of the rows)"
        )
    return name, weight
