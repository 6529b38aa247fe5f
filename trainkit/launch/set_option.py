"""`--set key=value`: verl settings that trainkit has no option for, and those that it refuses."""

from __future__ import annotations

import difflib
import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from prompts.errors import UserError
from trainkit.launch.set_allowed import ACTOR, MODEL, ROLLOUT, is_allowed

REFUSED: dict[str, str] = {
    "data.train_files": "--task or --parquet",
    "data.val_files": "--validate",
    "data.max_prompt_length": "--prompt-length",
    "data.max_response_length": "--response-length",
    "data.train_batch_size": "--batch",
    "data.gen_batch_size": "--batch",
    "data.seed": "--seed",
    "data.apply_chat_template_kwargs*": "--prompt (chat_template_kwargs of a template)",
    "data.*prompt*": "--prompt",
    "data.truncation": "--prompt-length",
    "data.tokenizer*": "--model",
    "data.custom_cls*": "--prompt",
    "data.return_raw*": "--prompt",
    "data.*_max_samples": "--limit",
    "data.*_key": "--prompt",
    "data.tool_config_path": "--prompt",
    "data.function_tool_path": "--prompt",
    "data.chat_template*": "--prompt",
    f"{MODEL}.path": "--model",
    f"{MODEL}.tokenizer_path": "--model",
    f"{MODEL}.hf_config_path": "--model",
    f"{MODEL}.custom_chat_template": "--prompt",
    f"{MODEL}.trust_remote_code": "--trust-remote-code",
    f"{MODEL}.lora_rank": "--lora-rank",
    f"{ROLLOUT}.prompt_length": "--prompt-length",
    f"{ROLLOUT}.max_model_len": "--response-length",
    f"{ROLLOUT}.gpu_memory_utilization": "--gpu-memory",
    f"{ROLLOUT}.tensor_model_parallel_size": "--tp",
    f"{ROLLOUT}.response_length": "--response-length",
    f"{ROLLOUT}.n": "--samples",
    f"{ROLLOUT}.temperature": "--temperature",
    f"{ROLLOUT}.top_*": "--temperature",
    f"{ROLLOUT}.repetition_penalty": "--temperature",
    f"{ROLLOUT}.ignore_eos": "--prompt (end tokens come from the model)",
    f"{ROLLOUT}.val_kwargs*": "--validate",
    f"{ROLLOUT}.agent*": "--prompt (rollouts are trainkit's own)",
    f"{ROLLOUT}.multi_turn*": "--prompt (one question, one answer)",
    f"{ROLLOUT}.engine_kwargs*": "--model, --prompt or --gpu-memory",
    f"{ROLLOUT}.name": "nothing: rollouts are made by vLLM",
    "reward*": "--prompt (the template's rule is the reward)",
    "custom_reward_function*": "--prompt (the template's rule is the reward)",
    "algorithm.adv_estimator": "another word than the one after trainkit",
    "algorithm.filter_groups*": "trainkit dapo",
    "trainer.total_training_steps": "--steps",
    "trainer.total_epochs": "--epochs",
    "trainer.save_freq": "--save-every",
    "trainer.test_freq": "--validate-every",
    "trainer.val_*": "--validate-every",
    "trainer.max_*_ckpt_to_keep": "--keep",
    "trainer.default_local_dir": "--output",
    "trainer.rollout_data_dir": "nothing: rollouts.jsonl in the run's folder holds them",
    "trainer.resume*": "nothing: the same command resumes by itself",
    "trainer.logger": "--logger",
    "trainer.device": "--device",
    "trainer.n_gpus_per_node": "--gpus",
    "trainer.nnodes": "--nodes",
    "trainer.use_v1": "nothing: trainkit is written for verl's v1 trainer",
    "trainer.v1*": "nothing: trainkit's sampler stands there",
    "trainer.checkpoint_callback_class": "nothing: it writes the prompt lock",
    f"{ACTOR}.ppo_mini_batch_size": "--mini-batch",
    f"{ACTOR}.ppo_micro_batch_size*": "--micro-batch",
    f"{ACTOR}.ppo_max_token_len_per_gpu": "--token-budget",
    f"{ACTOR}.use_dynamic_bsz": "--micro-batch or --token-budget",
    f"{ACTOR}.optim.lr": "--learning-rate",
    f"{ACTOR}.*kl_loss*": "--kl",
}
"""verl settings that could change prompts, tokens, reward or lengths, or that an option decides."""

BYPASS = "algorithm.rollout_correction.bypass_mode"


def parse_set(items: Sequence[str], unsafe: bool = False) -> dict[str, Any]:
    """`--set key=value` as settings; values are JSON where they parse as such, else text.

    Raises UserError where an item has no value, an option of trainkit decides the setting, or it is
    not among those known to be harmless and `unsafe` (`--allow-unsafe-set`) is off.
    """
    settings: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key.strip("+~"):
            raise UserError(f"--set {item}: write key=value, as in --set {ACTOR}.clip_ratio=0.1")
        bare = key.strip().lstrip("+~")
        for pattern, instead in REFUSED.items():
            if fnmatchcase(bare, pattern) or fnmatchcase(bare, f"{pattern}.*"):
                raise UserError(f"--set {bare} is refused, since trainkit answers for it; use {instead}")
            if pattern.startswith(f"{bare}."):
                raise UserError(f"--set {bare} is refused, since it holds {pattern}; set one key in it")
        if not unsafe and not is_allowed(key.strip()):
            raise UserError(
                f"--set {key.strip()} is refused, since it is not known to leave prompts, rows, rewards, "
                "loaded code and checkpoints as they are (docs/training.md, `--set`, lists what is); to set "
                "it all the same, with a mark on checkpoints and results: --allow-unsafe-set"
            )
        try:
            settings[key.strip()] = json.loads(value)
        except (json.JSONDecodeError, RecursionError):
            settings[key.strip()] = value
    return settings


def check_bypass(algorithm: str, items: Sequence[str]) -> None:
    """Refuse vLLM's log-probs as old ones for gspo: they differ by more than its clip of 3e-4 allows.

    Noise of 0.01 a token, as between bf16 kernels, is harmless at a clip of 0.2; here it would cut at random.
    """
    for key, value in parse_set(items, unsafe=True).items():
        if algorithm == "gspo" and key.lstrip("+~") == BYPASS and value:
            raise UserError(
                f"--set {BYPASS}=true: gspo clips ratios at 3e-4, and vLLM's log-probs differ from the "
                "trainer's by more; leave it out, or train with trainkit grpo"
            )


def unsafe_keys(items: Sequence[str]) -> list[str]:
    """The keys that need `--allow-unsafe-set`, for the mark on checkpoint and results."""
    keys = (item.partition("=")[0].strip() for item in items)
    return sorted({key for key in keys if not is_allowed(key)})


def check_known(items: Sequence[str]) -> None:
    """Refuse keys that verl's configuration does not have; "+key" adds one, so it passes.

    Nothing is checked where verl is not installed.
    """
    keys = [key for item in items if not (key := item.partition("=")[0].strip()).startswith("+")]
    verl = importlib.util.find_spec("verl") if keys else None
    if verl is None or verl.origin is None:
        return
    import yaml  # type: ignore[import-untyped]

    text = Path(verl.origin).with_name("trainer").joinpath("config/_generated_ppo_trainer.yaml").read_text()
    known = set(_keys(yaml.safe_load(text)))
    for key in (key.lstrip("~") for key in keys):
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"+{key}=… adds a key"
            raise UserError(f"--set {key}: verl has no such setting; {hint}")


def _keys(group: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Every key of a configuration, as in "data.seed"."""
    for name, value in group.items():
        yield f"{before}{name}"
        if isinstance(value, dict):
            yield from _keys(value, f"{before}{name}.")
