"""The sizes of a model that decide memory and time, read without loading a tensor.

config.json gives the shape, the headers of the safetensors files the number of parameters.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.results import read_json
from prompts.errors import UserError

NORMS_QUERIES = ("qwen3", "qwen3_moe", "olmo2", "gemma3", "gemma3_text")
"""Model types that normalise queries and keys, which keeps more activations."""
LIGER = ("llama", "qwen2", "qwen3")
"""Model types whose layers Liger replaces, as those of silu, and whose activations trainkit.memory counts."""


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Widths in numbers, not bytes. `queries` and `keys` are the widths of all heads together."""

    parameters: int
    layers: int
    hidden: int
    intermediate: int
    queries: int
    keys: int
    vocabulary: int
    norms_queries: bool
    liger: bool
    """Whether Liger's kernels compute what its layers do."""


def read_shape(folder: Path) -> ModelShape:
    """Read the shape of a model folder; UserError where it is not a decoder that can be reckoned."""
    config = read_json(folder / "config.json")
    config = config.get("text_config", config)
    try:
        heads = config["num_attention_heads"]
        head = config.get("head_dim") or config["hidden_size"] // heads
        return ModelShape(
            parameters=count_parameters(folder),
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            intermediate=config["intermediate_size"],
            queries=heads * head,
            keys=(config.get("num_key_value_heads") or heads) * head,
            vocabulary=config["vocab_size"],
            norms_queries=config.get("model_type") in NORMS_QUERIES,
            liger=config.get("model_type") in LIGER and config.get("hidden_act") in ("silu", "swish"),
        )
    except KeyError as error:
        raise UserError(
            f"{folder}/config.json has no {error}: trainkit plans decoder models (Llama, Qwen, SmolLM …)"
        ) from None


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
