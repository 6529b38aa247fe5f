"""A LoRA adapter folded into the weights it was trained beside: W + alpha / r * B @ A.

verl keeps both in one state dict under peft's names, and its own merger leaves the base untouched
(docs/design.md). Imported by the merging process only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from evalkit.models.checkpoint.recognise import LORA_META
from prompts.errors import UserError
from prompts.files import read_json

_PREFIX = "base_model.model."
_A, _B, _BASE = ".lora_A.default.weight", ".lora_B.default.weight", ".base_layer."


def is_lora(names: Sequence[str]) -> bool:
    return any(".lora_" in name for name in names)


def read_scaling(actor: Path) -> tuple[int, float]:
    """Rank, and alpha / rank, as verl wrote them; UserError where they are missing."""
    path = actor / LORA_META
    if not path.exists():
        raise UserError(f"{actor} holds a LoRA adapter but no {LORA_META}, so its alpha is unknown")
    meta = read_json(path)
    rank, alpha = meta.get("r"), meta.get("lora_alpha")
    if not isinstance(rank, int) or not isinstance(alpha, int | float) or rank < 1 or not alpha:
        raise UserError(f"{path} gives r={rank!r} and lora_alpha={alpha!r}; both must be above zero")
    return rank, alpha / rank


def plain_name(name: str) -> str:
    """The name that a tensor of a peft model has in the model without adapter."""
    return name.removeprefix(_PREFIX).replace(_BASE, ".")


def fold(
    names: Sequence[str], tensor: Callable[[str], torch.Tensor], rank: int, scaling: float
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor of the model without adapter, by its plain name; sums are taken in float32.

    `tensor` gives a whole tensor by its name in the shards. Raises UserError for an adapter of
    another kind (DoRA, adapters on embeddings), or one saved without its base.
    """
    adapted = {name.removesuffix(_A) for name in names if name.endswith(_A)}
    for name in names:
        if name.endswith((_A, _B)):
            module = name.removesuffix(_A).removesuffix(_B)
            if not {f"{module}{_A}", f"{module}{_B}", f"{module}.base_layer.weight"} <= set(names):
                raise UserError(f"{name} lacks its other half or its base weight; save the whole model")
        elif ".lora_" in name or "modules_to_save" in name or not name.startswith(_PREFIX):
            raise UserError(f"{name} belongs to a kind of adapter that cannot be folded in; plain LoRA can")
        else:
            module = name.removesuffix(f"{_BASE}weight")
            weight = tensor(name)
            if module in adapted:
                weight = _add(module, weight, tensor, rank, scaling)
            yield plain_name(name), weight


def _add(
    module: str, weight: torch.Tensor, tensor: Callable[[str], torch.Tensor], rank: int, scaling: float
) -> torch.Tensor:
    a, b = tensor(f"{module}{_A}").float(), tensor(f"{module}{_B}").float()
    if a.shape[0] != rank or (b.shape[0], a.shape[1]) != tuple(weight.shape):
        raise UserError(
            f"{module}: an adapter of rank {a.shape[0]} from {a.shape[1]} to {b.shape[0]} does not fit "
            f"rank {rank} and a weight of shape {tuple(weight.shape)}"
        )
    return weight.float() + (b @ a) * scaling
