"""vLLM on a CPU: keep weights as they are, so that new ones can be loaded into a live engine.

vLLM calls `plugin` in each of its processes (entry point `vllm.general_plugins`, announced by
trainkit.launch.process alone). It acts only under `--device cpu`.
"""

from __future__ import annotations

import os
from typing import Any

from trainkit.plugins.switch import DEVICE_VARIABLE
from trainkit.plugins.versions import require


def plugin() -> None:
    """Replace vLLM's packing of linear weights (vllm/model_executor/layers/utils.py) by plain ones.

    Packing leaves an empty parameter behind, and the trainer's weight sync then fails.
    """
    if os.environ.get(DEVICE_VARIABLE) != "cpu":
        return
    require("cpu_vllm")
    import torch
    from vllm.model_executor.layers import utils

    def dispatch(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = dispatch
