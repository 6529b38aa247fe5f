"""Keeps Python's garbage collector from pausing verl's processes for seconds a step.

Each of them holds millions of objects (torch, transformers, vLLM, Ray). Every full collection looks at
all of them, and a step of 1,024 trajectories triggers several. vLLM freezes its own heap for the same
reason (vllm/utils/gc_utils.py).
"""

from __future__ import annotations

import gc

from trainkit.plugins.switch import left_out

NEW_OBJECTS = 20_000
"""New containers before the youngest are looked through; Python's default is 700."""


def freeze_heap() -> None:
    """Set aside what exists now: it stays, and is not looked at again. Cycles made later are still found."""
    if "freeze_heap" in left_out():
        return
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 10, 10)
