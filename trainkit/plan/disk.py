"""Room on the disk: is there enough for the next checkpoint, and did a run end because there was none."""

from __future__ import annotations

import shutil
from pathlib import Path

from prompts.errors import UserError
from trainkit.algorithms import NEEDS_CRITIC
from trainkit.options import Options
from trainkit.plan.memory import GIB, lora_share
from trainkit.plan.model_shape import ModelShape

FULL = 2**20
"""A disk with less than this free (bytes) is full: what fails to be written comes in larger pieces."""


def checkpoint_bytes(options: Options, shape: ModelShape) -> float:
    """Size of a checkpoint: weights in float32 and Adam's two moments of what learns; PPO's critic too."""
    actor = 4 + 8 * lora_share(shape, options.lora_rank)
    critic = 12 if options.algorithm in NEEDS_CRITIC else 0
    return shape.parameters * (actor + critic)


def check_room(folder: Path, needed: float) -> None:
    """UserError where a folder's disk has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"a checkpoint takes {needed / GIB:.1f} GiB, and {free / GIB:.1f} GiB are free in "
            f"{folder.parent}; remove something there, or name another --output"
        )


def is_full(folder: Path) -> bool:
    """Whether nothing more can be written into a folder."""
    return shutil.disk_usage(folder).free < FULL
