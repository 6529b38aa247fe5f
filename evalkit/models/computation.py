"""What of config.json decides the numbers that a model computes, so that an edit of it is seen.

Layers, rope, sliding window, norms, the number of positions; not the number format (it is recorded
by itself), versions, names, or what only training reads. Taken from what transformers makes of the
file, so that a default spelled out and one left out are the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from prompts.files import read_plain

Computation = Mapping[str, Any]
COSMETIC = {
    "architectures",
    "auto_map",
    "bos_token_id",
    "chunk_size_feed_forward",
    "decoder_start_token_id",
    "dtype",
    "eos_token_id",
    "finetuning_task",
    "gradient_checkpointing",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "label2id",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "return_dict",
    "sep_token_id",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
}
"""Keys that change no number of a forward pass, or that are settled elsewhere (ids of special tokens
by the prompt lock, the number format by the run's manifest)."""
BESIDE = ("hf_quant_config.json", "adapter_config.json")
"""What engines obey where it lies beside config.json: how vLLM quantizes, what transformers adds."""
SHAPE = ("model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
"""Two models that differ in one of these are different models, not one that was edited."""


def computation_of(folder: Path) -> dict[str, Any] | None:
    """`{"transformers": version, "keys": {...}}` of a model folder; None where it has no configuration."""
    import transformers

    path = folder / "config.json"
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True).to_dict()
    except Exception:  # a model type that this transformers does not know, or one with code of its own
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
    if not isinstance(config, dict):
        return None
    keys: dict[str, Any] = json.loads(json.dumps(_decisive(config), default=str))
    found = {"transformers": transformers.__version__, "keys": keys}
    found["beside"] = {name: _beside(folder / name) for name in BESIDE}
    if isinstance(named := _architectures(path), list):
        found["architectures"] = named
    return found


def _beside(path: Path) -> str | None:
    """The first 16 hex digits of a file's sha256; None where there is none."""
    return hashlib.sha256(read_plain(path)).hexdigest()[:16] if path.exists() else None


def _architectures(path: Path) -> Any:
    """The classes that config.json names, by which vLLM takes its model; None where it names none."""
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("architectures")
    except (OSError, ValueError, RecursionError, AttributeError):
        return None


def _decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(key): _decisive(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if str(key) not in COSMETIC and not str(key).startswith("_") and not str(key).endswith("dropout")
    }


def computation_differences(
    left: Computation | None, right: Computation | None
) -> list[tuple[str, Any, Any]]:
    """Each key in which two models compute differently, with both values.

    What one side does not record is no difference: nothing at all, or, where another transformers
    read the file, a key that only that one knows.
    """
    if not left or not right:
        return []
    same_reader = left.get("transformers") == right.get("transformers")
    keys = [_decisive(side.get("keys") or {}) for side in (left, right)]  # older locks hold more
    found = list(_walk("", keys[0], keys[1], same_reader))
    found += _walk("", left.get("beside") or {}, right.get("beside") or {}, False)
    classes = left.get("architectures"), right.get("architectures")
    if classes[0] != classes[1] and all(map(_is_causal, classes)):
        found.append(("architectures", *classes))
    return found


def _is_causal(classes: Any) -> bool:
    """Whether it names a language model; others are saved under the name of one when they are merged."""
    return isinstance(classes, list) and bool(classes) and str(classes[0]).endswith("ForCausalLM")


def is_same_shape(left: Computation | None, right: Computation | None) -> bool:
    """Whether two models may be one and the same, as far as sizes tell."""
    first, second = ((side or {}).get("keys", {}) for side in (left, right))
    return all(first.get(key) == second.get(key) for key in SHAPE)


def _walk(prefix: str, left: Any, right: Any, same_reader: bool) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in sorted({*left, *right}):
            if same_reader or (key in left and key in right):
                name = f"{prefix}.{key}" if prefix else key
                yield from _walk(name, left.get(key), right.get(key), same_reader)
    elif left != right:
        yield prefix, left, right
