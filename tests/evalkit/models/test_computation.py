"""An edit of config.json that changes numbers is seen; one that changes none is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.models.computation import computation_differences, computation_of, is_same_shape
from prompts.files import read_json, write_json

DECISIVE: list[tuple[str, Any]] = [
    ("rope_parameters", {"rope_theta": 10000.0, "rope_type": "default"}),
    ("rope_parameters", {"rope_theta": 100000.0, "rope_type": "linear", "factor": 2.0}),
    ("rms_norm_eps", 1e-6),
    ("max_position_embeddings", 2048),
    ("num_hidden_layers", 12),
    ("sliding_window", 512),
    ("hidden_act", "gelu"),
    ("tie_word_embeddings", False),
    ("attention_bias", True),
    ("quantization_config", {"quant_method": "fp8"}),
]
COSMETIC: list[tuple[str, Any]] = [
    ("torch_dtype", "float16"),
    ("dtype", "float32"),
    ("transformers_version", "4.40.0"),
    ("_name_or_path", "elsewhere"),
    ("use_cache", False),
    ("initializer_range", 0.5),
    ("attention_dropout", 0.1),
    ("pad_token_id", 0),
]


@pytest.mark.parametrize(("key", "value"), DECISIVE)
def test_what_decides_the_numbers_is_seen(model_copy: Callable[[str], Path], key: str, value: Any) -> None:
    folder = model_copy("model")
    before = computation_of(folder)
    write_json(folder / "config.json", {**read_json(folder / "config.json"), key: value})
    found = [name.split(".")[0] for name, _, _ in computation_differences(before, computation_of(folder))]
    assert found and set(found) == {key}


@pytest.mark.parametrize(("key", "value"), COSMETIC)
def test_what_decides_nothing_is_no_difference(
    model_copy: Callable[[str], Path], key: str, value: Any
) -> None:
    folder = model_copy("model")
    before = computation_of(folder)
    write_json(folder / "config.json", {**read_json(folder / "config.json"), key: value})
    assert computation_differences(before, computation_of(folder)) == []


def test_what_was_not_recorded_is_no_difference() -> None:
    now = {"transformers": "6", "keys": {"rms_norm_eps": 1e-5, "new": 3}}
    assert computation_differences(None, now) == []
    assert computation_differences({"transformers": "5", "keys": {"rms_norm_eps": 1e-5}}, now) == []
    assert computation_differences({"keys": None, "beside": None}, {"transformers": "6", "beside": {}}) == []
    assert is_same_shape(None, None) and not is_same_shape(now, {"keys": {"model_type": "x"}})
