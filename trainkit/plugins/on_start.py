"""What verl imports once one of its processes is set up: the worker with its model loaded, and the trainer.

By configuration (`rollout.checkpoint_engine.custom_backend_module`). It acts only where trainkit started
the process.
"""

from __future__ import annotations

import importlib
import os
import threading

from trainkit.plugins.freeze_heap import freeze_heap
from trainkit.plugins.switch import DEVICE_VARIABLE, left_out


def import_server() -> None:
    """Import what the first weights on their way to vLLM need, while the worker waits for vLLM to start."""
    importlib.import_module("verl.workers.rollout.vllm_rollout.vllm_async_server")
    freeze_heap()


if DEVICE_VARIABLE in os.environ:
    from trainkit.plugins.steps import mini_batches

    mini_batches.install()
    if "nested_rows" not in left_out():
        from trainkit.plugins.steps.nested_rows import install

        install()
    freeze_heap()
    if "start_early" not in left_out():
        threading.Thread(target=import_server, daemon=True).start()
