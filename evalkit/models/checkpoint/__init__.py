"""Raw verl checkpoints (`global_step_N`): recognise, merge, verify and cache them.

`prepare_checkpoint` turns one into a Hugging Face folder that an engine can load; the merge runs in
a process of its own (`python -m evalkit.models.checkpoint.merge`), which is the only place that reads shards.
"""

from __future__ import annotations

from evalkit.models.checkpoint.cache import merge_into, prepare_checkpoint
from evalkit.models.checkpoint.recognise import (
    Checkpoint,
    is_checkpoint,
    last_complete_step,
    list_steps,
    open_checkpoint,
)

__all__ = [
    "Checkpoint",
    "is_checkpoint",
    "last_complete_step",
    "list_steps",
    "merge_into",
    "open_checkpoint",
    "prepare_checkpoint",
]
