"""Safetensors files: their headers, the number of parameters, and a fingerprint of the tensors.

The format: 8 bytes of length (little endian), a JSON header of that length, then the tensors' bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from prompts.errors import UserError


def weights_sha256(files: list[Path]) -> str:
    """Fingerprint of all tensors: sha256 over the sorted lines "name dtype shape sha256-of-bytes".

    So the same weights in one file or in many shards, with other metadata, have the same one.
    Raises UserError where a file is cut off or is no safetensors file.
    """
    with ThreadPoolExecutor() as pool:
        lines = sorted(line for part in pool.map(_tensor_lines, files) for line in part)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _tensor_lines(path: Path) -> list[str]:
    """One line a tensor of a safetensors file (8 bytes of length, JSON header, then the bytes)."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
            header.pop("__metadata__", None)
            lines = []
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                for name, entry in header.items():
                    start, end = (8 + size + offset for offset in entry["data_offsets"])
                    if end > len(content):
                        raise ValueError("its tensors end after the file does")
                    with memoryview(content)[start:end] as data:
                        digest = hashlib.sha256(data).hexdigest()
                    lines.append(f"{name} {entry['dtype']} {entry['shape']} {digest}")
            return lines
    except (ValueError, KeyError, TypeError, MemoryError, OverflowError) as error:
        raise UserError(f"{path} is no whole safetensors file ({error}); copy or download it again") from None


def count_parameters(folder: Path) -> int:
    """Numbers in all safetensors files of a folder; tied heads are stored once and count once."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(f"{folder} holds no *.safetensors; save the model with save_pretrained first")
    return sum(math.prod(tensor["shape"]) for file in files for tensor in read_header(file).values())


def read_header(file: Path) -> dict[str, dict[str, Any]]:
    """The tensors that a safetensors file names (its format: 8 bytes of length, then JSON)."""
    with file.open("rb") as stream:
        (size,) = struct.unpack("<Q", stream.read(8).ljust(8, b"\0"))
        if size > file.stat().st_size:
            raise UserError(f"{file} is cut off or no safetensors file; download the model again")
        header: dict[str, dict[str, Any]] = json.loads(stream.read(size))
    header.pop("__metadata__", None)
    return header
