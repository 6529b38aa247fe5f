"""Is a merged model what its checkpoint holds? Weights against shards and base, tokenizer against lock."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM

from evalkit.models.checkpoint.recognise import Checkpoint
from prompts.errors import Failed

_FLOATS = {"F64", "F32", "F16", "BF16"}
_NAMES = {"torch.float32": "F32", "torch.bfloat16": "BF16"}
"""What safetensors calls floats, and those that are written; loading would cast another without a word."""


class Moves:
    """Counts the tensors that training moved away from the base, in the shards' own precision.

    In bfloat16 a small learning rate is invisible for many steps; in float32, in which verl keeps
    its weights, it is not.
    """

    def __init__(self, base: Path | None) -> None:
        self.base = base
        self.moved = 0
        self.same: list[str] = []
        self._where: dict[str, Path] = {}
        for path in sorted(base.glob("*.safetensors")) if base else []:
            with _open(path) as file:
                self._where.update(dict.fromkeys(file.keys(), path))

    def see(self, name: str, tensor: torch.Tensor) -> None:
        """Compare one tensor with that of the base; tensors that the base does not name are skipped."""
        path = self._where.get(name)
        if path is None or not tensor.is_floating_point():
            return
        with _open(path) as file:
            before = file.get_tensor(name)
        if before.shape != tensor.shape:
            raise Failed(
                f"{name} has shape {tuple(tensor.shape)}, in the base {self.base} {tuple(before.shape)}: "
                "the checkpoint belongs to another model"
            )
        # The first row tells most tensors apart, so that few are compared whole.
        parts = (slice(1), slice(1, None))
        if all(torch.equal(before[part].float(), tensor[part].float()) for part in parts):
            self.same.append(name)
        else:
            self.moved += 1

    def require_some(self, checkpoint: Checkpoint) -> None:
        """Raise Failed where all of the base's tensors are there and none was moved."""
        if self.same and not self.moved:
            raise Failed(
                f"{checkpoint.name} equals its base {self.base} in all {len(self.same)} tensors: nothing was "
                "trained (a learning rate of zero, or no reward in any group); score the base instead"
            )

    def report(self) -> dict[str, Any]:
        """`moved` and `unmoved` (names) against the base, None where the base is not at hand."""
        if not self.moved + len(self.same):
            return {"base": None, "moved": None, "unmoved": None}
        assert self.base is not None
        return {"base": self.base.name, "moved": self.moved, "unmoved": self.same}


def verify_folder(
    folder: Path, expected: Iterable[tuple[str, torch.Tensor]], *, trust_remote_code: bool = False
) -> int:
    """Load a merged folder and compare it with what was expected, name by name; returns the count.

    Raises Failed where a tensor is missing, of another shape or dtype, or of other values.
    """
    model, info = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype="auto",
        output_loading_info=True,
        trust_remote_code=trust_remote_code,
        local_files_only=True,
    )
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := sorted(map(str, info[problem])):
            raise Failed(f"{folder} was written wrongly: {problem.replace('_', ' ')}: {names[0]}")
    for path in sorted(folder.glob("*.safetensors")):
        with _open(path) as file:
            for name in file.keys():  # noqa: SIM118  (no mapping)
                if (dtype := file.get_slice(name).get_dtype()) in _FLOATS - {_NAMES[str(model.dtype)]}:
                    raise Failed(f"{name} was written as {dtype}, not as {model.dtype}")
    found = model.state_dict()
    seen = set()
    for name, tensor in expected:
        written = found.get(name)
        if written is None:
            raise Failed(f"{folder} lacks {name}")
        if written.dtype != tensor.dtype or written.shape != tensor.shape:
            raise Failed(
                f"{name} was written as {written.dtype} {tuple(written.shape)}, "
                f"the shards give {tensor.dtype} {tuple(tensor.shape)}"
            )
        if not torch.equal(written, tensor):
            raise Failed(f"{name} was written with other values than the shards hold")
        seen.add(written.data_ptr())
    if unseen := sorted(name for name, tensor in found.items() if tensor.data_ptr() not in seen):
        raise Failed(f"{folder} holds {unseen[0]}, which no shard does")
    return len(found)


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise Failed(f"{path} cannot be read: {error}") from None
