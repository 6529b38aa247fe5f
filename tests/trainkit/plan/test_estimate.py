"""The plan's arithmetic against autograd, against recorded runs, and against itself.

pytest tests/trainkit/plan/test_estimate.py
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT

from evalkit.machine import Gpu
from evalkit.models.safetensors import count_parameters
from evalkit.models.smollm2 import smollm2_folder
from prompts.errors import UserError
from trainkit.launch.set_option import ACTOR, MODEL
from trainkit.options import PRESETS, Options, resolve
from trainkit.plan.batch import Batch, in_words
from trainkit.plan.estimate import EstimateFor, check_fits, estimate
from trainkit.plan.kernels import Kernels
from trainkit.plan.memory import GIB, activations, cache_per_token, layer_activations
from trainkit.plan.model_shape import ModelShape, read_shape
from trainkit.plan.request import estimate_for, parse_gpu
from trainkit.plan.table import as_dict, sentences
from trainkit.prepare import prepare

H200 = Gpu(0, "NVIDIA H200", 143771, 143167)
H100 = Gpu(0, "NVIDIA H100 80GB HBM3", 81559, 81079)
A800 = Gpu(0, "NVIDIA A800-SXM4-80GB", 81920, 81000)
RTX4090 = Gpu(0, "NVIDIA GeForce RTX 4090", 24564, 24000)
# Qwen2.5-Coder-Instruct, from the config.json of each.
QWEN_05B = ModelShape(
    parameters=494_032_768, layers=24, hidden=896, intermediate=4864, queries=896, keys=128,
    vocabulary=151_936, norms_queries=False, liger=True,
)  # fmt: skip
QWEN_15B = ModelShape(
    parameters=1_543_714_304, layers=28, hidden=1536, intermediate=8960, queries=1536, keys=256,
    vocabulary=151_936, norms_queries=False, liger=True,
)  # fmt: skip
QWEN_7B = ModelShape(
    parameters=7_615_616_512, layers=28, hidden=3584, intermediate=18944, queries=3584, keys=512,
    vocabulary=152_064, norms_queries=False, liger=True,
)  # fmt: skip
SMOLLM2 = ModelShape(
    parameters=134_515_008, layers=30, hidden=576, intermediate=1536, queries=576, keys=192,
    vocabulary=49_152, norms_queries=False, liger=True,
)  # fmt: skip


def request(
    shape: ModelShape = QWEN_05B, gpu: Gpu | None = H200, gpus: int = 1, **options: Any
) -> EstimateFor:
    return EstimateFor(
        options=Options(**{"device": "cuda" if gpu else "cpu", **options}),
        shape=shape,
        prompt_length=384,
        response_length=512,
        mean_prompt=130,
        steps=50,
        gpu=gpu,
        gpus=gpus,
        cores=2,
        kernels=Kernels(flash_attention=gpu is not None, liger=gpu is not None),
        float32=False,
    )


def test_float32_takes_twice_the_room_and_more_time() -> None:
    options: dict[str, Any] = {"batch": 8, "samples": 8, "mini_batch": 8, "token_budget": 1024}
    narrow = estimate(request(SMOLLM2, None, **options))
    wide = estimate(replace(request(SMOLLM2, None, **options), float32=True))
    parts = [{part.name: part.size for part in plan.phases[2].parts} for plan in (narrow, wide)]
    assert parts[1]["activations"] == 2 * parts[0]["activations"]
    assert parts[1]["logits"] == 2 * parts[0]["logits"]
    assert parts[1]["optimizer, Adam"] == parts[0]["optimizer, Adam"]
    assert parts[1]["weights, gathered"] == 2 * parts[0]["weights, gathered"]
    assert parts[1]["vLLM"] - parts[0]["vLLM"] == 2 * SMOLLM2.parameters
    assert wide.cache_tokens == narrow.cache_tokens // 2
    assert wide.step_seconds > 2 * narrow.step_seconds


def saved_bytes(model: Any, tokens: int) -> int:
    """What autograd keeps of one forward pass, parameters left out, logits included."""
    import torch

    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}
    alive = []

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(input_ids=torch.ones(1, tokens, dtype=torch.long), use_cache=False)
    return sum(kept.values())


@pytest.mark.parametrize("family", ["Llama", "Qwen2", "Qwen3"])
def test_activations_are_what_autograd_keeps(family: str, tmp_path: Path) -> None:
    import torch
    import transformers

    config = getattr(transformers, f"{family}Config")(
        hidden_size=256, intermediate_size=640, num_hidden_layers=3, num_attention_heads=8, head_dim=32,
        num_key_value_heads=2, vocab_size=500, tie_word_embeddings=True, attn_implementation="sdpa",
    )  # fmt: skip
    model = getattr(transformers, f"{family}ForCausalLM")(config).to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    shape = read_shape(tmp_path)
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    planned = activations(shape, 512, checkpointing=False, liger=False, number=2).size
    assert planned == pytest.approx(saved_bytes(model, 512), rel=0.02)


def test_parameters_of_several_files_are_added_up(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(
        LlamaConfig(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                    vocab_size=300)
    )  # fmt: skip
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert count_parameters(tmp_path) == model.num_parameters()


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no"):
        count_parameters(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 30)
    with pytest.raises(UserError, match="no whole safetensors file"):
        count_parameters(tmp_path)


def test_the_tutorials_numbers_in_words() -> None:
    preset = PRESETS["tutorial"]
    batch = Batch(
        prompts=preset["batch"], samples=preset["samples"], mini_batch=preset["mini_batch"], gpus=1,
        micro_batch=preset["micro_batch"], token_budget=0,
    )  # fmt: skip
    assert in_words(batch, 400, 50) == [
        "Each step draws 128 prompts x 2 samples = 256 trajectories.",
        "They are learned in 4 mini-batches of 32 prompts (64 trajectories): "
        "4 optimizer steps a step, 200 in 50 steps.",
        "An optimizer step adds up 8 micro-batches of 8 trajectories: "
        "the micro-batch changes memory and speed, not the result.",
    ]


@pytest.mark.parametrize(
    ("options", "gpus", "advice"),
    [
        ({"batch": 128, "samples": 3, "mini_batch": 32}, 5, "--samples a multiple of 5"),
        ({"batch": 120, "samples": 3, "mini_batch": 30}, 8, "--mini-batch 24"),
        ({"batch": 128, "samples": 8, "mini_batch": 32, "micro_batch": 64}, 8, "--micro-batch 32"),
    ],
)
def test_what_gpus_cannot_share_is_refused(options: dict[str, Any], gpus: int, advice: str) -> None:
    with pytest.raises(UserError, match=advice):
        estimate(request(gpus=gpus, **options))


@pytest.mark.parametrize(
    ("shape", "budget", "seconds"),
    [(QWEN_05B, 49152, {"update": 6.5, "old log-probs": 4, "generation": 8.3}),
     (QWEN_15B, 32768, {"update": 13.5, "old log-probs": 7})],
)  # fmt: skip
def test_recorded_runs_fit_and_take_about_what_they_took(
    shape: ModelShape, budget: int, seconds: dict[str, float]
) -> None:
    """As they were before Liger and our scheduler."""
    plan = estimate(
        replace(request(shape, token_budget=budget), kernels=Kernels(flash_attention=True, liger=False))
    )
    check_fits(plan)
    assert not plan.gradient_checkpointing
    for phase, measured in seconds.items():
        assert measured / 2 < plan.seconds[phase] < measured * 2


def test_a_step_on_two_cores_takes_about_what_it_took() -> None:
    sums = replace(
        request(SMOLLM2, None, batch=8, samples=8, mini_batch=8, micro_batch=16),
        prompt_length=30, response_length=16, mean_prompt=26,
        kernels=Kernels(flash_attention=False, liger=False),
    )  # fmt: skip
    plan = estimate(sums)
    assert 7 < plan.seconds["update"] < 30
    assert 2 < plan.seconds["generation"] < 9
    assert 9 * GIB < plan.peak.size < 18 * GIB  # 13 GiB were measured


@pytest.mark.parametrize(("samples", "expected"), [(8, 64), (46, 184), (1, 8)])
def test_on_a_cpu_the_plan_names_the_micro_batch_that_verl_gets(samples: int, expected: int) -> None:
    """8,192 tokens hold 186 padded sequences of 44; the largest part of the mini-batch that fits is taken."""
    asked = replace(
        request(SMOLLM2, None, batch=8, samples=samples, mini_batch=8), prompt_length=28, response_length=16
    )
    plan = estimate(asked)
    assert plan.token_budget == 8192
    assert plan.batch.micro_batch == expected
    assert f"{expected} trajectories" in " ".join(sentences(plan))


@pytest.mark.parametrize("shape", [QWEN_05B, QWEN_15B, QWEN_7B])
@pytest.mark.parametrize("gpu", [H200, A800, RTX4090])
@pytest.mark.parametrize(
    "options", [{}, {"token_budget": 65536}, {"gpu_memory": 0.9}, {"micro_batch": 64}, {"gpu_memory": 0.05}]
)
def test_a_refusal_says_what_fits(shape: ModelShape, gpu: Gpu, options: dict[str, Any]) -> None:
    asked = request(shape, gpu, **options)
    plan = estimate(asked)
    if plan.fits:
        check_fits(plan)
        return
    with pytest.raises(UserError) as caught:
        check_fits(plan)
    if "no setting of this model fits" in str(caught.value):
        assert shape is not QWEN_05B
        return
    found = re.search(r"it fits with (.+?);", str(caught.value))
    assert found
    changed = dict(pair for pair in re.findall(r"--([\w-]+) ([\d.]+)", found[1]))
    gpus = int(changed.pop("gpus", 1))
    values = {k.replace("-", "_"): float(v) if "." in v else int(v) for k, v in changed.items()}
    check_fits(estimate(replace(asked, gpus=gpus, options=replace(asked.options, **values))))


def test_a_larger_gpu_gets_a_larger_budget_and_never_one_that_does_not_fit() -> None:
    budgets = []
    for gib in (16, 24, 40, 48, 80, 96, 140):
        plan = estimate(request(QWEN_05B, Gpu(0, "NVIDIA", gib * 1024, gib * 1024)))
        check_fits(plan)
        budgets.append((not plan.gradient_checkpointing, plan.token_budget))
    assert budgets == sorted(budgets)


def test_a_gpu_in_use_counts_what_is_free() -> None:
    busy = replace(H200, free_mib=30 * 1024)
    with pytest.raises(UserError, match="30 GiB of the GPU are free"):
        check_fits(estimate(request(QWEN_15B, busy)))


def test_cache_of_one_token() -> None:
    # 2 (keys, values) x 24 layers x 2 heads of 64 x 2 bytes; vLLM 0.24 reports 12 KiB a token for it.
    assert cache_per_token(QWEN_05B, 1, number=2) == 12 * 1024
    assert cache_per_token(QWEN_05B, 2, number=2) == 6 * 1024
    assert cache_per_token(QWEN_05B, 1, number=4) == 24 * 1024


def test_lora_needs_less() -> None:
    full, lora = estimate(request(token_budget=16384)), estimate(request(token_budget=16384, lora_rank=32))
    assert lora.peak.size < full.peak.size
    update = as_dict(lora)["memory"]["update"]
    assert update["optimizer, Adam"] < 0.1 * as_dict(full)["memory"]["update"]["optimizer, Adam"]


def test_critic_and_reference_are_counted() -> None:
    plain = estimate(request(token_budget=16384)).peak.size
    assert estimate(request(token_budget=16384, kl=0.001)).peak.size - plain == 4 * QWEN_05B.parameters
    critic = estimate(request(token_budget=16384, algorithm="ppo")).peak.size
    assert critic - plain == 16 * QWEN_05B.parameters


def test_sentences_say_what_does_not_fit() -> None:
    assert any("it fits" in line for line in sentences(estimate(request())))
    assert any("does NOT fit" in line for line in sentences(estimate(request(QWEN_7B, RTX4090))))


@settings(max_examples=60)
@given(
    mini=st.sampled_from([1, 2, 4, 8, 16, 32]),
    factor=st.integers(1, 8),
    samples=st.integers(2, 16),
    gpus=st.sampled_from([1, 2, 4, 8]),
)
def test_every_trajectory_is_learned_once(mini: int, factor: int, samples: int, gpus: int) -> None:
    asked = request(batch=mini * factor, mini_batch=mini, samples=samples, gpus=gpus, token_budget=8192)
    try:
        plan = estimate(asked)
    except UserError:
        assert mini * samples % gpus
        return
    assert plan.batch.updates * plan.batch.per_update == plan.batch.trajectories
    assert plan.batch.accumulation(300) >= 1
    assert layer_activations(QWEN_05B, liger=False) > layer_activations(QWEN_05B, liger=True)


def run_plan(smollm2: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "trainkit",
        "plan",
        "--model",
        str(smollm2),
        "--task",
        "sums",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_the_command_plans_for_a_gpu_that_is_not_here(smollm2: Path) -> None:
    done = run_plan(smollm2, "--preset", "tutorial", "--on", "A800:80", "--format", "json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert (plan["trajectories"], plan["mini_batches"], plan["accumulation"]) == (256, 4, 8)
    assert plan["fits"]
    assert plan["peak"] == max(sum(parts.values()) for parts in plan["memory"].values())


def test_the_command_refuses_what_does_not_fit(smollm2: Path) -> None:
    done = run_plan(smollm2, "--on", "T4:2")
    assert done.returncode == 2
    assert "it does NOT fit" in done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert "GiB of the GPU are free" in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--token-budget", "10"], "give at least"),
        (["--tp", "3", "--gpus", "4"], "--tp 1 does"),
        (["--limit", "2"], "there are only 2 rows to train on"),
    ],
)
def test_what_verl_would_stumble_over_is_refused(smollm2: Path, options: list[str], says: str) -> None:
    done = run_plan(smollm2, "--on", "H200:140", *options)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr


def on_sums(smollm2: Path, tmp_path: Path, **asked: Any) -> Options:
    asked |= {"model": str(smollm2), "task": "sums", "output": str(tmp_path / "run")}
    return resolve("grpo", asked, preset=None, config=None, has_gpu=False)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"limit": 2}, "--batch 8: there are only 2 rows to train on; --batch 2 at most"),
        ({"limit": 12, "prompt_length": 26}, "rows to train on"),
        ({"prompt_length": 5}, "prompts are longer than 5 tokens; raise --prompt-length"),
        ({"limit": 1, "validate": "test"}, "there are only 1 rows"),
    ],
)
def test_too_few_rows_are_refused_as_training_refuses_them(
    smollm2: Path, tmp_path: Path, asked: dict[str, Any], says: str
) -> None:
    options = on_sums(smollm2, tmp_path, **asked)
    with pytest.raises(UserError) as training:
        prepare(options, dry=True)
    with pytest.raises(UserError, match=says) as planning:
        estimate_for(options, None)
    assert str(planning.value) == str(training.value)


def test_steps_and_lengths_are_those_of_the_training_run(smollm2: Path, tmp_path: Path) -> None:
    """Two passes over 12 rows whose prompts have at most 27 tokens, in batches of 4."""
    asked = {"limit": 12, "prompt_length": 27, "epochs": 2, "batch": 4, "mini_batch": 4}
    options = on_sums(smollm2, tmp_path, **asked)
    planned, trained = estimate_for(options, None), prepare(options, dry=True).plan.request
    assert planned == replace(trained, mean_prompt=planned.mean_prompt)
    assert planned.mean_prompt == pytest.approx(trained.mean_prompt, abs=0.5)


@pytest.mark.parametrize("text", ["Z9", "H200:", ":80", "H200:many", "H200:0"])
def test_a_gpu_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--on H200:140"):
        parse_gpu(text)


RECORDED = ROOT / "results/recorded"


@pytest.mark.parametrize(
    ("run", "shape", "gpu"),
    [
        ("coder-1.5b-gsm8k", QWEN_15B, H200),
        ("coder-0.5b-gsm8k", QWEN_05B, H100),
        ("coder-0.5b-gsm8k-30", QWEN_05B, H100),
    ],
)
def test_recorded_runs_took_what_the_plan_says(run: str, shape: ModelShape, gpu: Gpu) -> None:
    """Qwen2.5-Coder-Instruct on GSM8K: memory within 15 %, phases to a factor of two."""
    job = json.loads((RECORDED / run / "train.json").read_text())
    lines = [json.loads(line) for line in (RECORDED / run / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "timing_s/step" in line]
    asked = replace(
        request(shape, gpu),
        options=Options(**job["options"]),
        kernels=Kernels(flash_attention=True, liger=f"{MODEL}.use_liger=true" in job["command"]),
        prompt_length=job["prompt_length"],
        response_length=job["response_length"],
        steps=job["total_steps"],
    )
    plan = estimate(asked)
    check_fits(plan)
    assert f"{ACTOR}.ppo_max_token_len_per_gpu={plan.token_budget}" in job["command"]
    peak = max(line["actor/perf/max_memory_allocated_gb"] for line in steps)
    assert plan.trainer_peak / GIB == pytest.approx(peak, rel=0.15)
    measured = {"generation": "gen", "old log-probs": "old_log_prob", "update": "update_actor"}
    for phase, name in measured.items():
        seconds = median(line[f"timing_s/{name}"] for line in steps[1:])
        assert seconds / 2 < plan.seconds[phase] < seconds * 2


def config_alone(folder: Path, **changes: Any) -> Path:
    """A folder with SmolLM2's config.json and nothing else."""
    folder.mkdir()
    config = json.loads((smollm2_folder() / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder


def test_a_config_alone_is_enough_for_a_plan(tmp_path: Path) -> None:
    """The parameters counted from SmolLM2's config are those of its weights."""
    folder = config_alone(tmp_path / "config")
    assert read_shape(folder).parameters == read_shape(smollm2_folder()).parameters
    asked = resolve("grpo", {"model": str(folder)}, preset=None, config=None, has_gpu=True)
    request = estimate_for(asked, parse_gpu("B200"))
    assert request.gpu is not None and request.gpu.total_mib == 178 * 1024
    assert (request.prompt_length, request.response_length) == (1024, 512)
    with_task = estimate_for(replace(asked, task=["sums"], batch=32), parse_gpu("H100"))
    assert 20 < with_task.prompt_length < 60 and with_task.steps == 245 // 32
    assert len(with_task.assumed) == 2
    experts = config_alone(tmp_path / "experts", num_local_experts=8)
    with pytest.raises(UserError, match="mixture of experts cannot be counted without its weights"):
        read_shape(experts)
    with pytest.raises(UserError, match="--on 'Z9' is no GPU"):
        parse_gpu("Z9")
