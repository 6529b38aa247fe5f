"""The sizes of a model that decide memory and time, read without loading a tensor.

config.json gives the shape, the headers of the safetensors files the number of parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.models.safetensors import count_parameters
from prompts.errors import UserError
from prompts.files import read_json

NORMS_QUERIES = ("qwen3", "qwen3_moe", "olmo2", "gemma3", "gemma3_text")
"""Model types that normalise queries and keys, which keeps more activations."""
LIGER = ("llama", "qwen2", "qwen3")
"""Model types whose layers Liger replaces (with silu), and whose activations trainkit.plan.memory counts."""


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
    counted: bool = False
    """The parameters were counted from config.json, since there are no weights."""


def read_shape(folder: Path) -> ModelShape:
    """Read the shape of a model folder; UserError where it is not a decoder that can be estimated."""
    config = read_json(folder / "config.json")
    config = config.get("text_config", config)
    weights = any(folder.glob("*.safetensors"))
    try:
        heads = config["num_attention_heads"]
        head = config.get("head_dim") or config["hidden_size"] // heads
        return ModelShape(
            parameters=count_parameters(folder) if weights else _parameters(config),
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            intermediate=config["intermediate_size"],
            queries=heads * head,
            keys=(config.get("num_key_value_heads") or heads) * head,
            vocabulary=config["vocab_size"],
            norms_queries=config.get("model_type") in NORMS_QUERIES,
            liger=config.get("model_type") in LIGER and config.get("hidden_act") in ("silu", "swish"),
            counted=not weights,
        )
    except KeyError as error:
        raise UserError(
            f"{folder}/config.json has no {error}: trainkit plans decoder models (Llama, Qwen, SmolLM …)"
        ) from None


def _parameters(config: dict[str, Any]) -> int:
    """Parameters of a dense decoder with gated MLPs (Llama, Qwen2, Qwen3), from its config alone.

    Raises UserError for a mixture of experts, whose layers config files describe in many ways.
    """
    if experts := [key for key in config if "expert" in key and config[key]]:
        raise UserError(
            f"the config names {experts[0]}: the parameters of a mixture of experts cannot be counted "
            "without its weights; give a folder that holds them"
        )
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    queries, keys = heads * head, (config.get("num_key_value_heads") or heads) * head
    qwen2 = config.get("model_type") == "qwen2"
    biased = qwen2 or config.get("attention_bias")
    attention = 2 * hidden * queries + 2 * hidden * keys + (queries + 2 * keys if biased else 0)
    attention += hidden if biased and not qwen2 else 0  # Qwen2's output has no bias
    norms = 2 * hidden + (2 * head if config.get("model_type") in NORMS_QUERIES else 0)
    layer = attention + 3 * hidden * config["intermediate_size"] + norms
    tables = 1 if config.get("tie_word_embeddings") else 2
    return int(config["num_hidden_layers"] * layer + tables * config["vocab_size"] * hidden + hidden)
