"""Model names: what they stand for, and what is refused before anything is loaded.

pytest tests/evalkit/models/test_resolve.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from evalkit.models.resolve import resolve_model
from evalkit.models.safetensors import weights_sha256
from evalkit.models.smollm2 import smollm2_folder
from prompts.errors import UserError


def make_folder(folder: Path, config: dict[str, Any] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 64, **(config or {})}))
    return folder


def tensors() -> dict[str, Any]:
    return {name: np.arange(12, dtype=np.float32).reshape(3, 4) + i for i, name in enumerate("abc")}


def test_the_embedded_model(smollm2: Path) -> None:
    model = resolve_model("smollm2-135m")
    assert model.folder == smollm2 == smollm2_folder()
    assert model.max_length == 8192 and model.lock is None and len(model.weights_sha256) == 64
    config = json.loads((smollm2 / "generation_config.json").read_text())
    assert config["eos_token_id"] == 2  # the GGUF names 1, <|im_start|>


def test_weights_are_the_same_in_one_file_or_many(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save_file(tensors(), whole, metadata={"format": "pt"})
    parts = []
    for name, tensor in tensors().items():
        parts.append(tmp_path / f"{name}.safetensors")
        save_file({name: tensor}, parts[-1])
    assert weights_sha256([whole]) == weights_sha256(parts[::-1])
    changed = tensors()
    changed["b"][0, 0] += 1
    save_file(changed, whole)
    assert weights_sha256([whole]) != weights_sha256(parts)


def refused(name: str, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        resolve_model(name, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders_that_are_no_model(tmp_path: Path) -> None:
    assert "config.json is missing" in refused(str(tmp_path))
    folder = make_folder(tmp_path / "model")
    assert "no file *.safetensors" in refused(str(folder))
    (folder / "pytorch_model.bin").write_bytes(b"x")
    assert "pickled" in refused(str(folder))
    (folder / "model.safetensors.index.json").write_text("{}")
    assert "names no weight files" in refused(str(folder))
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    save_file(tensors(), folder / "model-1.safetensors")
    assert "misses 1 of 2 weight files (model-2.safetensors" in refused(str(folder))
    (folder / "model-2.safetensors").write_bytes((folder / "model-1.safetensors").read_bytes()[:-7])
    assert "no whole safetensors file" in refused(str(folder))
    (folder / "model-2.safetensors").write_bytes(b"")
    assert "no whole safetensors file" in refused(str(folder))
    (folder / "model-2.safetensors").write_bytes((folder / "model-1.safetensors").read_bytes())
    (folder / "model.safetensors").write_bytes((folder / "model-1.safetensors").read_bytes())
    assert "and engines differ in which they load; remove model.safetensors" in refused(str(folder))
    (folder / "config.json").write_text("{")
    assert "is not JSON" in refused(str(folder))


def test_code_in_a_folder_is_refused_unless_trusted(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", {"auto_map": {"AutoConfig": "evil.Config"}})
    save_file(tensors(), folder / "model.safetensors")
    assert "--trust-remote-code" in refused(str(folder))
    assert resolve_model(str(folder), trust_remote_code=True).max_length == 64


def test_names_that_stand_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "smollm2-135m" in refused("smollm3")
    monkeypatch.setenv("EVALKIT_RUNS", str(tmp_path))
    (tmp_path / "demo/global_step_8").mkdir(parents=True)
    assert "there: demo" in refused("damo:step_8")
    assert "holds step_8" in refused("demo:step_9")
