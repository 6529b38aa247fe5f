"""verl settings: accepted by verl's own config for every algorithm; `--set` refused where it must be.

    pytest tests/trainkit/launch/test_settings.py

The table of refused settings in docs/training.md comes from `python tests/trainkit/launch/test_settings.py`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from prompts.errors import UserError
from trainkit.algorithms import ALGORITHMS
from trainkit.launch.set_allowed import ACTOR, ALLOWED, MODEL, REF, ROLLOUT
from trainkit.launch.set_option import BYPASS, REFUSED, check_bypass, check_known, parse_set, unsafe_keys
from trainkit.launch.set_option import _keys as known_keys
from trainkit.launch.settings import Facts, build, to_arguments
from trainkit.options import Options, resolve
from trainkit.plan.kernels import Kernels

PAGE = ROOT / "docs/training.md"

# Composes with Hydra and validates as verl.trainer.main_ppo does, in one process for all cases.
COMPOSE = """
import json, sys
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
import verl
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config
found = []
for overrides in json.load(sys.stdin):
    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer", overrides=[o for o in overrides if not o.startswith("hydra.")])
    validate_config(config, need_reference_policy(config), need_critic(config))
    found.append({
        "critic": need_critic(config), "reference": need_reference_policy(config),
        "config": OmegaConf.to_container(config, resolve=True),
    })
print("FOUND" + json.dumps(found, default=str))
"""


def facts(model: Path, flash: bool, float32: bool = False) -> Facts:
    run = Path("/runs/it's a test, {really}")
    return Facts(
        run=run,
        model_folder=model,
        train=run / "train.parquet",
        validation=run / "validation.parquet",
        prompt_length=28,
        response_length=16,
        total_steps=3,
        gpus=1,
        kernels=Kernels(flash_attention=flash, liger=flash),
        scheduler="evalkit.engines.fast_decode.DecodeScheduler" if flash else None,
        float32=float32,
        token_budget=4096,
        gradient_checkpointing=False,
        model_bytes=540_000_000,
        resume_step=2,
        validate_first=False,
    )


def case(word: str, **given: Any) -> Options:
    return resolve(word, {"task": "sums", **given}, preset=None, config=None, has_gpu=False)


def test_verl_accepts_every_algorithm(smollm2: Path) -> None:
    cases = [(case(word), False) for word in ALGORITHMS]
    cases += [(case("grpo", kl=0.001, lora_rank=8), False), (case("grpo", device="cuda"), True)]
    arguments = [to_arguments(build(options, facts(smollm2, flash, not flash))) for options, flash in cases]
    done = subprocess.run(
        [sys.executable, "-c", COMPOSE],
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "TRAINKIT_DEVICE": "cpu",
            "VERL_USE_EXTERNAL_MODULES": "trainkit.plugins.cpu_platform",
        },
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.split("FOUND")[1])
    by_word = dict(zip(ALGORITHMS, found, strict=False))
    assert [word for word in ALGORITHMS if by_word[word]["critic"]] == ["ppo"]
    assert by_word["dr-grpo"]["config"]["actor_rollout_ref"]["actor"]["loss_scale_factor"] == 16
    dapo = by_word["dapo"]["config"]
    assert dapo["trainer"]["v1"]["sampler"]["sampler_kwargs"]["draw_again"] is True
    assert (dapo["data"]["gen_batch_size"], by_word["grpo"]["config"]["data"]["gen_batch_size"]) == (1, None)
    with_kl, on_gpu = found[-2:]
    assert with_kl["reference"] is True
    learners = with_kl["config"]["actor_rollout_ref"], by_word["ppo"]["config"]["critic"]
    engines = learners[0]["actor"]["fsdp_config"], learners[0]["ref"]["fsdp_config"], learners[1]["fsdp"]
    assert [engine["mixed_precision"]["param_dtype"] for engine in engines] == ["fp32"] * 3
    assert learners[0]["rollout"]["dtype"] == "float32"
    assert on_gpu["config"]["actor_rollout_ref"]["rollout"]["calculate_log_probs"] is False
    trainer = by_word["grpo"]["config"]["trainer"]
    assert trainer["default_local_dir"] == "/runs/it's a test, {really}"
    assert trainer["resume_from_path"].endswith("global_step_2")
    assert trainer["val_before_train"] is False


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("data.prompt_key=question", "--prompt"),
        ("data.max_response_length=9", "--response-length"),
        ("data.apply_chat_template_kwargs.enable_thinking=false", "--prompt"),
        ("data.truncation=left", "--prompt-length"),
        ("+actor_rollout_ref.model.custom_chat_template=x", "--prompt"),
        ("actor_rollout_ref.model.tokenizer_path=x", "--model"),
        ("actor_rollout_ref.rollout.n=4", "--samples"),
        ("actor_rollout_ref.rollout.val_kwargs.temperature=1", "--validate"),
        ("actor_rollout_ref.rollout.agent.default_agent_loop=x", "--prompt"),
        ("reward.custom_reward_function.path=x.py", "--prompt"),
        ("reward.reward_manager.name=dapo", "--prompt"),
        ("trainer.v1.sampler.custom_sampler.path=x", "trainkit's sampler"),
        ("~trainer.checkpoint_callback_class=", "prompt lock"),
        ("actor_rollout_ref.actor.ppo_mini_batch_size=3", "--mini-batch"),
        ("actor_rollout_ref.rollout.max_model_len=64", "--response-length"),
        ("data={prompt_key: question}", "set one key in it"),
        ("++actor_rollout_ref.rollout={n: 3}", "set one key in it"),
    ],
)
def test_refused_settings_name_the_option(key: str, instead: str) -> None:
    with pytest.raises(UserError, match="is refused") as caught:
        parse_set([key])
    assert instead in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "skip.rollout_tq.enable=true",
        "skip.rollout.dump_dir=elsewhere",
        "algorithm.use_kl_in_reward=true",
        "algorithm.use_pf_ppo=true",
        "distillation.enabled=true",
        "+distillation.teacher_models.x.model_path=x",
        "critic.model.path=x",
        f"{MODEL}.lora_adapter_path=x",
        f"{MODEL}.lora.adapter_path=x",
        f"{MODEL}.external_lib=evil",
        f"+{MODEL}.override_config.rope_theta=1",
        f"{ROLLOUT}.quantization=fp8",
        f"{ROLLOUT}.checkpoint_engine.custom_backend_module=evil",
        f"{ROLLOUT}.load_format=dummy",
        f"{ACTOR}.optim.optimizer_impl=evil",
        f"{ACTOR}.profiler.finish_hook_cmd=x",
        "+ray_kwargs.ray_init.runtime_env.env_vars.X=1",
        "~algorithm.gamma=",
        f"~{ACTOR}.clip_ratio=",
        "+hydra.run.dir=x",
        "sandbox_fusion.url=x",
        "+anything.new=1",
        "ray_kwargs={}",
    ],
)
def test_what_is_not_known_to_be_harmless_needs_a_flag_and_leaves_a_mark(key: str) -> None:
    with pytest.raises(UserError, match="--allow-unsafe-set"):
        parse_set([key])
    assert len(parse_set([key], unsafe=True)) == 1
    assert unsafe_keys([key, f"{ACTOR}.clip_ratio=0.1"]) == [key.partition("=")[0]]


def test_every_allowed_setting_is_one_of_verl() -> None:
    yaml = pytest.importorskip("yaml")
    verl = importlib.util.find_spec("verl")
    if verl is None or verl.origin is None:
        pytest.skip("verl is not installed")
    text = Path(verl.origin).with_name("trainer").joinpath("config/_generated_ppo_trainer.yaml").read_text()
    known = set(known_keys(yaml.safe_load(text))) | {
        f"{group}.mixed_precision" for group in (f"{ACTOR}.fsdp_config", f"{REF}.fsdp_config", "critic.fsdp")
    }
    known.add("ray_kwargs.ray_init.object_store_memory")
    for pattern in (pattern for patterns in ALLOWED.values() for pattern in patterns):
        assert any(fnmatchcase(key, pattern) for key in known), pattern


def allowed_table() -> list[str]:
    """What `--set` takes, a line for each group, as docs/training.md shows it."""
    rows = [f"| {why} | {', '.join(f'`{key}`' for key in keys)} |" for why, keys in ALLOWED.items()]
    return ["| why it is harmless | taken |", "| --- | --- |", *rows]


def test_gspo_takes_no_log_probs_of_vllm() -> None:
    """Its clip is narrower than what they differ by; grpo's is not."""
    for key in (BYPASS, f"+{BYPASS}"):
        with pytest.raises(UserError, match="gspo clips ratios at 3e-4"):
            check_bypass("gspo", [f"{key}=true"])
        check_bypass("gspo", [f"{key}=false"])
        check_bypass("grpo", [f"{key}=true"])


def refused_table() -> list[str]:
    """What `--set` refuses, a line for each thing to use instead, as docs/training.md shows it."""
    keys = defaultdict(list)
    for key, instead in REFUSED.items():
        keys[re.sub(r"(--[a-z-]+|trainkit dapo)", r"`\1`", instead)].append(f"`{key}`")
    rows = [f"| {instead} | {', '.join(refused)} |" for instead, refused in keys.items()]
    return ["| use instead | refused |", "| --- | --- |", *rows]


def test_the_page_shows_what_set_refuses() -> None:
    section = PAGE.read_text(encoding="utf-8").split("\n## `--set`\n")[1].split("\n## ")[0]
    shown = [line for line in section.splitlines() if line.startswith("|")]
    tables = allowed_table() + refused_table()
    assert shown == tables, "renew the tables: python tests/trainkit/launch/test_settings.py"


def built_settings() -> set[str]:
    """Every setting that some run gets: all algorithms on both devices, and all that adds to them."""
    found: set[str] = set()
    sizes = {"batch": 8, "mini_batch": 8, "samples": 8}
    more: list[dict[str, Any]] = [{}, {"kl": 0.1}, {"lora_rank": 8}, {"micro_batch": 8}]
    for word, device, given in product(ALGORITHMS, ("cpu", "cuda"), more):
        for flash in (False, True):
            settings = build(
                case(word, device=device, **sizes, **given), facts(Path("/model"), flash, not flash)
            )
            found |= {key.lstrip("+") for key in settings}
    return found


def documented_settings(built: set[str]) -> set[str]:
    """The names in the tables of docs/training.md, in full; one that nothing sets stays as it is there."""
    found = set()
    for table in PAGE.read_text(encoding="utf-8").split("| setting | value | why |\n")[1:]:
        for row in table.split("\n\n")[0].splitlines()[1:]:
            first, *others = re.findall(r"`([^`]+)`", row.split(" | ")[0])
            first = first if first in built else f"actor_rollout_ref.{first}"
            group = first.rpartition(".")[0]
            found.add(first)
            for name in others:
                ways = (f"{group}.{name}", f"actor_rollout_ref.{name}")
                found.add(next((way for way in ways if way in built), name))
    return found


def test_the_page_explains_every_setting_and_no_other() -> None:
    built = built_settings()
    assert documented_settings(built) == built


def test_other_settings_pass() -> None:
    items = [f"{ACTOR}.clip_ratio=0.1", "trainer.project_name=a b", "critic.optim.betas=[0.9, 0.95]"]
    assert parse_set(items) == {
        "actor_rollout_ref.actor.clip_ratio": 0.1,
        "trainer.project_name": "a b",
        "critic.optim.betas": [0.9, 0.95],
    }
    for wrong in ("", "key", "=value"):
        with pytest.raises(UserError, match="write key=value"):
            parse_set([wrong])


def test_settings_that_verl_does_not_have() -> None:
    check_known([f"{ACTOR}.clip_ratio=0.1", "+trainer.note=1", "~trainer.rollout_data_dir=", "ray_kwargs={}"])
    with pytest.raises(UserError, match=f"did you mean {ACTOR}.clip_ratio"):
        check_known([f"{ACTOR}.clip_ration=0.1"])


def test_set_wins_over_what_trainkit_sets(smollm2: Path) -> None:
    options = case("grpo", set=["actor_rollout_ref.actor.strategy=fsdp"])
    assert build(options, facts(smollm2, False))["actor_rollout_ref.actor.strategy"] == "fsdp"


if __name__ == "__main__":
    print("\n".join([*allowed_table(), "", *refused_table()]))
