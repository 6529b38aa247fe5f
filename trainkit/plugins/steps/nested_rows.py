"""Rows of a nested tensor picked in a few operations, where verl 0.9.1 makes a tensor a row.

verl picks rows for every mini-batch and every micro-batch, of a dozen fields, by unbinding each field into
as many tensors as the batch has rows (verl/utils/tensordict_utils.py, `index_select_tensor_dict`), while the
GPU waits. tests/bench/bench_rows.py compares: 0.23 s to verl's 0.97 s for the update of 1,024 trajectories.
"""

from __future__ import annotations

from typing import Any

import torch
from verl.utils import tensordict_utils

from trainkit.plugins.versions import require

verls_own = tensordict_utils.index_select_tensor_dict


def install() -> None:
    """Put `select` in the place of verl's function, in this process."""
    require("nested_rows")
    tensordict_utils.index_select_tensor_dict = select


def select(batch: Any, indices: torch.Tensor | list[int]) -> Any:
    """What verl's function returns: a TensorDict of the rows with these indices, in their order.

    The ragged fields come last in it. One with inner dimensions pads to its longest row; verl's pads to the
    sum of its rows.
    """
    ours = [] if batch is None else [name for name, field in batch.items() if _is_ragged(field)]
    if not ours:
        return verls_own(batch, indices)
    chosen = torch.as_tensor(indices)
    selected = verls_own(batch.exclude(*ours), chosen)
    for name in ours:
        selected[name] = select_rows(batch[name], chosen)
    return selected


def select_rows(nested: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """Rows of a jagged tensor of shape (rows, length of the row, …); `indices` has shape (n,)."""
    offsets = nested.offsets()
    chosen = indices.to(offsets.device)
    starts, lengths = offsets[:-1][chosen], offsets.diff()[chosen]
    ends = lengths.cumsum(0)
    total = int(ends[-1])
    shift = torch.repeat_interleave(starts - (ends - lengths), lengths, output_size=total)
    where = shift + torch.arange(total, device=offsets.device)
    return torch.nested.nested_tensor_from_jagged(
        nested.values()[where],
        torch.cat([ends.new_zeros(1), ends]),
        # Without them torch pads such a tensor to the sum of its lengths.
        min_seqlen=int(lengths.min()),
        max_seqlen=int(lengths.max()),
    )


def _is_ragged(field: Any) -> bool:
    """Whether a field is a nested tensor whose second dimension is the ragged one, without holes."""
    return (
        isinstance(field, torch.Tensor)
        and field.is_nested
        and field.layout == torch.jagged
        and getattr(field, "_ragged_idx", 1) == 1
        and field.lengths() is None
    )
