"""What verl imports once one of its processes is set up: the worker with its model loaded, and the trainer.

By configuration (`rollout.checkpoint_engine.custom_backend_module`). It acts only where trainkit started
the process.
"""

from __future__ import annotations

import os

from trainkit.plugins.freeze_heap import freeze_heap
from trainkit.plugins.switch import DEVICE_VARIABLE, left_out

if DEVICE_VARIABLE in os.environ:
    from trainkit.plugins.steps import mini_batches

    mini_batches.install()
    if "nested_rows" not in left_out():
        from trainkit.plugins.steps.nested_rows import install

        install()
    freeze_heap()
