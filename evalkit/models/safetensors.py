"""Safetensors files: their headers, the number of parameters, and a fingerprint of the tensors.

The format: 8 bytes of length (little endian), a JSON header of that length, then the tensors' bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypedDict

from prompts.errors import UserError


class Tensor(TypedDict):
    """What a header says of a tensor; offsets are in bytes, from the end of the header."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def weights_sha256(files: list[Path]) -> str:
    """Fingerprint of all tensors: sha256 over the sorted lines "name dtype shape sha256-of-bytes".

    So the same weights in one file or in many shards, with other metadata, have the same one.
    Raises UserError where a file is cut off or is no safetensors file.
    """
    with ThreadPoolExecutor() as pool:
        lines = sorted(line for part in pool.map(_tensor_lines, files) for line in part)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _tensor_lines(path: Path) -> list[str]:
    """One line a tensor of a safetensors file."""
    header, start = read_header(path)
    lines = []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for name, entry in header.items():
            first, end = entry["data_offsets"]
            with memoryview(content)[start + first : start + end] as data:
                digest = hashlib.sha256(data).hexdigest()
            lines.append(f"{name} {entry['dtype']} {entry['shape']} {digest}")
    return lines


def count_parameters(folder: Path) -> int:
    """Numbers in all safetensors files of a folder; tied heads are stored once and count once.

    Raises UserError where there is none, or one is cut off.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(f"{folder} holds no *.safetensors; save the model with save_pretrained first")
    return sum(math.prod(tensor["shape"]) for file in files for tensor in read_header(file)[0].values())


def read_header(path: Path) -> tuple[dict[str, Tensor], int]:
    """The tensors of a safetensors file by name, and the offset (bytes) at which their bytes begin.

    Raises UserError where the file is no safetensors file, or ends before its last tensor does.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= size - 8:
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        found = {name: _tensor(entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise _broken(path, error) from None
    if any(8 + length + tensor["data_offsets"][1] > size for tensor in found.values()):
        raise _broken(path, "it is cut off: its tensors end after the file does")
    return found, 8 + length


def _tensor(entry: Any) -> Tensor:
    """An entry of a header, checked: a negative offset would read what belongs to another tensor."""
    start, end = map(int, entry["data_offsets"])
    shape = [int(length) for length in entry["shape"]]
    if not 0 <= start <= end or min(shape, default=0) < 0:
        raise ValueError(f"a tensor of shape {shape} from {start} to {end}")
    return Tensor(dtype=str(entry["dtype"]), shape=shape, data_offsets=(start, end))


def _broken(path: Path, reason: object) -> UserError:
    return UserError(f"{path} is no whole safetensors file ({reason}); copy or download it again")
