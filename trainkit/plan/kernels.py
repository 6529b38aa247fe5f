"""Optional kernels of a GPU run: flash-attn for packed rows, Liger for norms, rotations and MLPs."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from trainkit.plan.model_shape import ModelShape


@dataclass(frozen=True)
class Kernels:
    """What a run computes with. Neither changes what is computed, beyond rounding."""

    flash_attention: bool
    liger: bool


def find_kernels(device: str | None, shape: ModelShape, assumed: bool = False) -> Kernels:
    """The kernels that are installed here; `assumed` takes them to be, for a GPU that is elsewhere."""

    def found(module: str) -> bool:
        return assumed or (device == "cuda" and importlib.util.find_spec(module) is not None)

    return Kernels(flash_attention=found("flash_attn"), liger=shape.liger and found("liger_kernel"))
