"""The shards of verl's FSDP and FSDP2 checkpoints as whole tensors.

Files are read with `weights_only=True`: tensors and the pieces of a DTensor, nothing that runs code.
This module needs torch and is imported by the merging process only.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed.tensor  # registers DTensor's parts with the reader
from torch.distributed.tensor import DTensor, Replicate, Shard

from prompts.errors import UserError

State = Mapping[str, torch.Tensor]


def load_shards(paths: Sequence[Path]) -> list[State]:
    """The state dict of every rank, mapped from disk rather than read into memory.

    Raises UserError where a file cannot be read or holds more than tensors.
    """
    # Each DTensor would say that no process group exists here.
    logging.getLogger("torch.distributed.device_mesh").setLevel(logging.ERROR)
    states = [_load(path) for path in paths]
    for path, state in zip(paths, states, strict=True):
        if set(state) != set(states[0]):
            name = sorted(set(state) ^ set(states[0]))[0]
            raise UserError(f"{path} and {paths[0].name} hold different tensors; {name} is in one only")
    return states


def _load(path: Path) -> State:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        asked = [line for line in str(error).splitlines() if "GLOBAL" in line or "nsupported" in line]
        reason = asked[0].strip() if asked else str(error).splitlines()[0]
        raise UserError(f"{path} asks for more than tensors and is refused: {reason}") from None
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if not isinstance(state, Mapping) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise UserError(f"{path} holds no state dict of tensors")
    return state


def join(name: str, parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """One tensor from its parts, one part a rank.

    A DTensor says where its parts lie (mesh and placement of every mesh dimension); a plain tensor is
    a copy on every rank. Raises UserError where copies differ, the parts do not make up the shape,
    or a placement is none that FSDP makes.
    """
    first = parts[0]
    if not all(isinstance(part, DTensor) == isinstance(first, DTensor) for part in parts):
        raise UserError(f"{name} is sharded on some ranks only")
    if not isinstance(first, DTensor):
        return _same(name, parts)
    mesh = first.device_mesh.mesh
    if sorted(mesh.flatten().tolist()) != list(range(len(parts))):
        raise UserError(f"{name} lies on ranks {mesh.flatten().tolist()}, but there are {len(parts)} files")
    locals_ = []
    for part in parts:
        if not isinstance(part, DTensor) or part.placements != first.placements or part.shape != first.shape:
            raise UserError(f"{name} is placed differently on different ranks")
        locals_.append(part._local_tensor)
    whole = _join_dimension(name, mesh, locals_, list(first.placements))
    if whole.shape != first.shape:
        raise UserError(f"{name} has shape {tuple(first.shape)}, its parts make {tuple(whole.shape)}")
    return whole


def _join_dimension(
    name: str, mesh: torch.Tensor, parts: Sequence[torch.Tensor], placements: list[Any]
) -> torch.Tensor:
    """Join along the first mesh dimension what the others give."""
    if mesh.dim() == 0:
        return parts[int(mesh)]
    inner = [_join_dimension(name, row, parts, placements[1:]) for row in mesh]
    placement = placements[0]
    if isinstance(placement, Replicate):
        return _same(name, inner)
    if type(placement) is Shard:
        return torch.cat(inner, dim=placement.dim) if len(inner) > 1 else inner[0]
    raise UserError(f"{name} is placed as {placement}; only FSDP and FSDP2 (also hybrid) shards are read")


def _same(name: str, copies: Sequence[torch.Tensor]) -> torch.Tensor:
    for rank, copy in enumerate(copies[1:], 1):
        if not torch.equal(copies[0], copy):
            raise UserError(
                f"{name} should be the same on every rank, but copy {rank} differs: the checkpoint is damaged"
            )
    return copies[0]
