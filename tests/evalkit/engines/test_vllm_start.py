"""The early parts of vLLM's start: the class is looked at in this process, and the path stays the same.

pytest tests/evalkit/engines/test_vllm_start.py
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import tiny_model

from evalkit.engines.vllm_start import StablePath, hashed_weights
from evalkit.models.safetensors import read_header
from evalkit.runs.folder import read_run

LOOK = """
import sys
from pathlib import Path
from evalkit.engines.base import EngineOptions
from evalkit.engines.vllm_start import look_at_class, set_environment

set_environment(EngineOptions(), cpu=True)
look_at_class(Path(sys.argv[1]))
import torch
from vllm import ModelRegistry

found = ModelRegistry.models["LlamaForCausalLM"].inspect_model_cls()
print(found.architecture, found.is_text_generation_model, torch.cuda.is_initialized())
"""


def model_of(folder: Path, **config: object) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 8, **config}))
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_checkpoints_of_one_architecture_have_one_path(tmp_path: Path, cache: Path) -> None:
    first, second = model_of(tmp_path / "a"), model_of(tmp_path / "b", transformers_version="5.9")
    other = model_of(tmp_path / "c", hidden_size=16)
    paths = []
    for folder in (first, second, other):
        place = StablePath(folder)
        assert place.path.resolve() == folder and cache in place.path.parents
        paths.append(place.path)
        place.free()
    assert paths[0] == paths[1] != paths[2]


def test_engines_at_the_same_time_have_different_paths(tmp_path: Path, cache: Path) -> None:
    folders = [model_of(tmp_path / name) for name in "ab"]
    one, other = map(StablePath, folders)
    assert one.path != other.path
    assert [place.path.resolve() for place in (one, other)] == folders
    one.free()
    assert StablePath(folders[1]).path == one.path
    other.free()


def test_where_no_link_can_be_made_the_folder_is_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = model_of(tmp_path / "a")
    assert StablePath(folder).path == folder


def test_vllm_starts_no_python_to_look_at_a_class_that_we_know(smollm2: Path, tmp_path: Path) -> None:
    """It would note what that Python found in its cache. The import opens no CUDA, so vLLM can fork."""
    pytest.importorskip("vllm")
    env = {**os.environ, "VLLM_CACHE_ROOT": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", LOOK, smollm2], env=env, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["LlamaForCausalLM True False"], done.stderr[-2000:]
    assert not (tmp_path / "modelinfos").exists()


def test_vllm_loads_the_weights_that_are_hashed(smollm2: Path, tmp_path: Path) -> None:
    """By itself it would take Mistral's own files, which lie beside the indexed ones in many folders."""
    assert hashed_weights(tmp_path) == {}
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    assert hashed_weights(tmp_path) == {}
    (tmp_path / "consolidated.safetensors").touch()
    assert hashed_weights(tmp_path) == {"config_format": "hf", "load_format": "safetensors"}
    (tmp_path / "model.safetensors.index.json").unlink()
    assert hashed_weights(tmp_path) == {}, "all files are hashed"


@pytest.mark.engine
@pytest.mark.slow
def test_weights_of_another_name_change_no_answer(smollm2: Path, tmp_path: Path) -> None:
    models = [tiny_model(smollm2, tmp_path / name, seed) for seed, name in enumerate(("one", "other"))]
    both = Path(shutil.copytree(models[0], tmp_path / "both"))
    shutil.copy(models[1] / "model.safetensors", both / "consolidated.safetensors")
    names = dict.fromkeys(read_header(both / "model.safetensors")[0], "model.safetensors")
    (both / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    texts = []
    for model in (models[0], both):
        code = "from evalkit.cli.app import main; main()"
        asked = f"score --model {model} --task sums --limit 4 --max-tokens 12 --output {model.name}-run"
        subprocess.run([sys.executable, "-c", code, *asked.split()], cwd=tmp_path, check=True)
        texts.append([record.text for record in read_run(tmp_path / f"{model.name}-run").records])
    assert texts[0] == texts[1]
