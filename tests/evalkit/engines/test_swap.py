"""Weights swapped in a running engine: each checkpoint's own ids, and a refusal of what cannot be proven.

pytest tests/evalkit/engines/test_swap.py
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_model

from evalkit.engines import vllm as vllm_module
from evalkit.engines.base import Engine, EngineOptions, Request
from evalkit.engines.load import make_engine
from evalkit.engines.swap import differing_files, differing_weights, may_swap
from evalkit.models.resolve import Model, resolve_model
from evalkit.records import Sampling
from evalkit.score.many.run import score_models
from evalkit.score.options import ScoreOptions
from evalkit.score.plan import plan_run, select
from evalkit.tasks.load import load_rows
from prompts.errors import UserError

ROWS = 64


@pytest.fixture(scope="module")
def tiny(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    root = tmp_path_factory.mktemp("tiny")

    def made(seed: int) -> Path:
        folder = root / f"tiny-{seed}"
        return folder if folder.exists() else tiny_model(smollm2, folder, seed)

    return made


def perturbed(smollm2: Path, folder: Path, seed: int, only: str = "") -> Model:
    """SmolLM2 with a fiftieth of noise on its matrices, or on those whose names begin with `only`."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(smollm2, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    drawn = torch.Generator().manual_seed(seed)
    for file in smollm2.glob("*.safetensors"):
        tensors = load_file(file)
        for name, tensor in tensors.items():
            if tensor.dim() == 2 and name.startswith(only):
                noise = torch.randn(tensor.shape, generator=drawn) * tensor.float().std() / 50
                tensors[name] = (tensor.float() + noise).to(tensor.dtype)
        save_file(tensors, folder / file.name, metadata={"format": "pt"})
    return resolve_model(str(folder))


def ids_of(engine: Engine, model: Model) -> list[tuple[int, ...]]:
    plan = plan_run(model, select(load_rows("sums"), ROWS, []), sampling=Sampling(max_tokens=24))
    asked = [Request(index=i, sample=0, prompt_ids=ids, seed=0) for i, ids in enumerate(plan.prompts)]
    made = engine.generate(asked, plan.sampling, plan.stop_ids)
    return [c.token_ids for c in sorted(made, key=lambda c: c.index)]


@pytest.mark.slow
def test_each_swapped_checkpoint_gives_its_own_ids(
    smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against fresh engines of the same kernels; then the packed kernels of a CPU are refused."""
    models = [
        perturbed(smollm2, tmp_path / "a", 1),
        perturbed(smollm2, tmp_path / "b", 2),
        perturbed(smollm2, tmp_path / "c", 3, only="model.embed_tokens"),
    ]
    options = EngineOptions(max_model_len=512, swappable=True, log=tmp_path / "engine.log")
    fresh = []
    for model in models:
        with closing(make_engine("vllm", model, options)) as engine:
            fresh.append(ids_of(engine, model))
    assert fresh[0] != fresh[1] != fresh[2] != fresh[0]
    with closing(make_engine("vllm", models[0], options)) as engine:
        assert ids_of(engine, models[0]) == fresh[0] and not engine.swapped
        for place in (1, 2, 0, 1):
            assert engine.swap(models[place]) is None
            assert engine.swapped
            assert ids_of(engine, models[place]) == fresh[place]
    monkeypatch.setattr(vllm_module, "plain_cpu_weights", contextlib.nullcontext)
    with closing(make_engine("vllm", models[0], options)) as engine:
        assert "packed and cannot be compared" in str(engine.swap(models[1]))


@pytest.mark.slow
def test_two_copies_are_swapped_both(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    first, second = (resolve_model(str(tiny(seed))) for seed in (0, 1))
    options = EngineOptions(max_model_len=512, swappable=True, copies=2, log=tmp_path / "engine.log")
    with closing(make_engine("vllm", first, options)) as engine:
        before = ids_of(engine, first)
        assert engine.swap(second) is None and engine.swapped
        after = ids_of(engine, second)
    with closing(make_engine("vllm", second, replace(options, copies=1))) as engine:
        assert ids_of(engine, second) == after != before


def test_several_models_share_an_engine(tiny: Callable[[int], Path], tmp_path: Path, capfd: Any) -> None:
    """Each has a run with its own answers, the first again under another name gives the first's."""
    again = shutil.copytree(tiny(0), tmp_path / "again")
    names = [str(tiny(0)), str(tiny(1)), str(again)]
    asked = ScoreOptions(
        model=names, task=["sums"], engine="hf", limit=8, max_tokens=8, prompt="gsm8k-boxed@1"
    )
    runs = list(score_models(asked, names, command="evalkit score", results=tmp_path / "results"))
    texts = [[record.text for record in run.records] for run in runs]
    assert texts[0] == texts[2] != texts[1]
    assert [Path(run.manifest.model.name).name for run in runs] == ["tiny-0", "tiny-1", "again"]
    said = capfd.readouterr().err
    assert said.count("loading ") == 1 and said.count("weights loaded in") == 2
    done = list(score_models(asked, names, command="evalkit score", results=tmp_path / "results"))
    assert [run.folder for run in done] == [run.folder for run in runs]
    assert capfd.readouterr().err.count("complete already") == 3


def test_files_that_differ_are_named(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    assert differing_files(tiny(0), tiny(1)) is None
    changed = shutil.copytree(tiny(0), tmp_path / "config")
    config = json.loads((changed / "config.json").read_text())
    (changed / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.5}))
    assert differing_files(tiny(0), changed) == "config.json differs in rms_norm_eps"
    lacking = shutil.copytree(tiny(0), tmp_path / "lacking")
    tensors = load_file(lacking / "model.safetensors")
    del tensors["model.layers.1.self_attn.k_proj.weight"]
    save_file(tensors, lacking / "model.safetensors")
    assert "1 tensors differ" in str(differing_files(tiny(0), lacking))


def test_what_may_be_swapped(tiny: Callable[[int], Path], tmp_path: Path, monkeypatch: Any) -> None:
    assert may_swap(tiny(0), "0.24.0", 1) is None
    assert "untested with vLLM 9" in str(may_swap(tiny(0), "9.0", 1))
    assert "--tp" in str(may_swap(tiny(0), "0.24.0", 2))
    (tmp_path / "config.json").write_text('{"architectures": ["MambaForCausalLM"]}')
    assert "untested with MambaForCausalLM" in str(may_swap(tmp_path, "0.24.0", 1))
    (tmp_path / "config.json").write_text(
        '{"architectures": ["LlamaForCausalLM"], "quantization_config": {"quant_method": "fp8"}}'
    )
    assert "quantised" in str(may_swap(tmp_path, "0.24.0", 1))
    monkeypatch.setenv("EVALKIT_SWAP", "0")
    assert may_swap(tiny(0), "0.24.0", 1) == "EVALKIT_SWAP=0"
    monkeypatch.setenv("EVALKIT_SWAP", "no")
    with pytest.raises(UserError, match="EVALKIT_SWAP=no"):
        may_swap(tiny(0), "0.24.0", 1)


def test_a_stale_part_of_a_fused_matrix_is_found() -> None:
    import torch
    from torch import nn

    class Layer(nn.Module):
        def __init__(self, tied: bool) -> None:
            super().__init__()
            self.model = nn.Module()
            self.model.embed_tokens = nn.Embedding(8, 4)
            self.model.qkv_proj = nn.Linear(4, 8, bias=False)
            self.lm_head = nn.Linear(4, 8, bias=False)
            if tied:
                self.lm_head.weight = self.model.embed_tokens.weight
            self.packed_modules_mapping = {"qkv_proj": ["q_proj", "k_proj", "v_proj"]}

    layer = Layer(tied=True)
    fused = layer.model.qkv_proj.weight.data
    tensors = {
        "model.embed_tokens.weight": layer.model.embed_tokens.weight.data[:6].clone(),
        "model.q_proj.weight": fused[:4].clone(),
        "model.k_proj.weight": fused[4:6].clone(),
        "model.v_proj.weight": fused[6:].clone(),
    }
    assert differing_weights(layer, tensors) == []
    fused[5, 0] += 1
    assert differing_weights(layer, tensors) == ["model.k_proj.weight"]
    tensors["model.norm.weight"] = torch.ones(4)
    assert sorted(differing_weights(layer, tensors)) == ["model.k_proj.weight", "model.norm.weight"]
    apart = Layer(tied=False)
    embedding = {"model.embed_tokens.weight": apart.model.embed_tokens.weight.data}
    assert differing_weights(apart, embedding) == ["lm_head.weight"]


@pytest.mark.engine
def test_an_engine_that_was_not_loaded_for_it_says_so(vllm_engine: Any, trapped_model: Model) -> None:
    assert vllm_engine.swap(trapped_model) == "it was not loaded for that"
