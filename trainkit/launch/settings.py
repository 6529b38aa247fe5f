"""Options to verl settings: every setting that trainkit makes, in the order of docs/training.md.

`build` returns them as one dict; `to_arguments` writes them for Hydra. A setting that verl's default
config does not have is marked with a leading "+", as Hydra wants it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainkit.algorithms import ALGORITHMS, LOSS, NEEDS_CRITIC
from trainkit.launch.draw_settings import KWARGS, draw_settings, generated_at_once
from trainkit.launch.set_allowed import ACTOR, MODEL, REF, ROLLOUT
from trainkit.launch.set_option import parse_set
from trainkit.options import Options
from trainkit.plan.batch import micro_batch
from trainkit.plan.kernels import Kernels

POLL_SECONDS = 0.05
"""How often the trainer looks for finished rollouts; verl's own pause is 2 s."""
AGENTS = {"cpu": 1, "cuda": 4}
"""Processes that ask vLLM for completions and score them: each imports verl and vLLM."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found out about model, data and machine. Lengths are in tokens."""

    run: Path
    model_folder: Path
    train: Path
    validation: Path
    prompt_length: int
    response_length: int
    total_steps: int
    gpus: int
    kernels: Kernels
    scheduler: str | None
    """Our class in the place of vLLM's scheduler (evalkit.engines.base.vllm); None: vLLM's own."""
    float32: bool
    """Compute in float32: on a CPU without bf16, which takes a hundred times as long in it."""
    token_budget: int
    gradient_checkpointing: bool
    model_bytes: int
    """Size of the weights in float32: what one weight sync must carry (see weight_sync)."""
    resume_step: int
    """The last whole checkpoint, 0 for a new run."""
    validate_first: bool
    """Before anything is trained: the base model, or a checkpoint whose validation was cut off."""


def build(options: Options, facts: Facts) -> dict[str, Any]:
    """Every verl setting of a run, as one dict. Pure."""
    cpu = options.device == "cpu"
    return {
        **ALGORITHMS[options.algorithm],
        **_data(options, facts),
        **_model(options, facts),
        **_actor(options, facts, cpu),
        **_rollout(options, facts, cpu),
        **_reference(options, facts, cpu),
        **(_critic(options, facts) if options.algorithm in NEEDS_CRITIC else {}),
        **(_float32(options) if facts.float32 else {}),
        **_trainer(options, facts, cpu),
        **parse_set(options.set, options.allow_unsafe_set),
    }


def _data(options: Options, facts: Facts) -> dict[str, Any]:
    return {
        "data.train_files": [str(facts.train)],
        "data.val_files": [str(facts.validation)],
        "data.train_batch_size": options.batch,
        "data.max_prompt_length": facts.prompt_length,
        "data.max_response_length": facts.response_length,
        # Rows were filtered and counted before the start; verl's own filter is silent.
        "data.filter_overlong_prompts": False,
        "data.seed": options.seed,
        # Rows are ready-made: worker processes would only lengthen the start.
        "data.dataloader_num_workers": 0,
    }


def _model(options: Options, facts: Facts) -> dict[str, Any]:
    settings: dict[str, Any] = {
        f"{MODEL}.path": str(facts.model_folder),
        f"{MODEL}.trust_remote_code": options.trust_remote_code,
        # Packed rows need flash attention: sdpa would attend over the whole packed row.
        f"{MODEL}.use_remove_padding": facts.kernels.flash_attention,
        f"{MODEL}.use_liger": facts.kernels.liger,
        f"{MODEL}.enable_gradient_checkpointing": facts.gradient_checkpointing,
        f"{MODEL}.lora_rank": options.lora_rank,
    }
    if options.lora_rank:
        settings[f"{MODEL}.lora_alpha"] = 2 * options.lora_rank
        # vLLM gets the adapter folded in: the model that is scored afterwards.
        settings[f"{MODEL}.lora.merge"] = True
    if not facts.kernels.flash_attention:
        settings[f"+{MODEL}.override_config.attn_implementation"] = "sdpa"
    return settings


def _sizes(options: Options, facts: Facts) -> tuple[bool, int]:
    """Whether verl packs by the token budget, and the micro-batch (sequences) where it does not."""
    room, ranks = facts.prompt_length + facts.response_length, facts.gpus * options.nodes
    micro = micro_batch(options, room, facts.token_budget, ranks)
    return micro is None, micro or 1


def _actor(options: Options, facts: Facts, cpu: bool) -> dict[str, Any]:
    dynamic, micro = _sizes(options, facts)
    settings: dict[str, Any] = {
        f"{ACTOR}.strategy": "fsdp2",
        f"{ACTOR}.optim.lr": options.learning_rate,
        # One pass over the weights where torch's default makes a dozen.
        f"+{ACTOR}.optim.override_optimizer_config.fused": True,
        f"{ACTOR}.ppo_mini_batch_size": options.mini_batch,
        f"{ACTOR}.use_dynamic_bsz": dynamic,
        f"{ACTOR}.ppo_max_token_len_per_gpu": facts.token_budget,
        f"{ACTOR}.use_kl_loss": options.kl > 0,
        f"{ACTOR}.kl_loss_coef": options.kl,
        # One process holds the whole model: gathering it again for the backward pass gains nothing.
        f"{ACTOR}.fsdp_config.reshard_after_forward": facts.gpus * options.nodes > 1,
        f"{ACTOR}.data_loader_seed": options.seed,
    }
    if ALGORITHMS[options.algorithm][LOSS] == "seq-mean-token-sum-norm":
        # Left alone, verl divides by the longest response of a micro-batch, which is no constant.
        settings[f"{ACTOR}.loss_scale_factor"] = facts.response_length
    if not dynamic:
        settings[f"{ACTOR}.ppo_micro_batch_size_per_gpu"] = micro
    if cpu:
        settings[f"{ACTOR}.use_torch_compile"] = False
        settings[f"{ACTOR}.fsdp_config.use_torch_compile"] = False
    return settings


def _rollout(options: Options, facts: Facts, cpu: bool) -> dict[str, Any]:
    dynamic, micro = _sizes(options, facts)
    room = facts.prompt_length + facts.response_length
    # vLLM's log-probs differ from the trainer's by more than gspo's clip, which would then cut at random.
    bypass = cpu and options.algorithm != "gspo"
    settings: dict[str, Any] = {
        f"{ROLLOUT}.name": "vllm",
        f"{ROLLOUT}.n": options.samples,
        f"{ROLLOUT}.temperature": options.temperature,
        f"{ROLLOUT}.seed": options.seed,
        f"{ROLLOUT}.tensor_model_parallel_size": options.tp,
        f"{ROLLOUT}.max_model_len": room,
        **generated_at_once(options),
        f"{ROLLOUT}.max_num_batched_tokens": max(2048 if cpu else 16384, room),
        f"{ROLLOUT}.gpu_memory_utilization": options.gpu_memory,
        f"+{ROLLOUT}.agent.agent_loop_manager_class": "trainkit.plugins.agent_loop.Manager",
        f"{ROLLOUT}.agent.num_workers": AGENTS[str(options.device)],
        f"{ROLLOUT}.checkpoint_engine.custom_backend_module": "trainkit.plugins.on_start",
        "transfer_queue.backend.SimpleStorage.num_data_storage_units": 1 if cpu else 2,
        # Log-probs from vLLM cost more than generation itself; on a CPU computing them again costs more.
        f"{ROLLOUT}.calculate_log_probs": bypass,
        "algorithm.rollout_correction.bypass_mode": bypass,
        f"{ROLLOUT}.log_prob_use_dynamic_bsz": dynamic,
        f"{ROLLOUT}.log_prob_max_token_len_per_gpu": facts.token_budget,
        f"{ROLLOUT}.val_kwargs.n": 1,
        f"{ROLLOUT}.val_kwargs.temperature": 0,
    }
    if not dynamic:
        settings[f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu"] = micro
    if facts.scheduler:
        settings[f"+{ROLLOUT}.engine_kwargs.vllm.scheduler_cls"] = facts.scheduler
    if cpu:
        settings |= {
            f"{ROLLOUT}.enforce_eager": True,
            # vLLM cannot sleep on a CPU.
            f"{ROLLOUT}.free_cache_engine": False,
            f"+{ROLLOUT}.enable_sleep_mode": False,
            # The whole model must fit into one bucket where its head is tied to its embeddings.
            f"{ROLLOUT}.checkpoint_engine.update_weights_bucket_megabytes": max(
                1024, facts.model_bytes // 2**20 + 64
            ),
        }
    return settings


def _reference(options: Options, facts: Facts, cpu: bool) -> dict[str, Any]:
    if not options.kl:
        return {}
    dynamic, micro = _sizes(options, facts)
    settings: dict[str, Any] = {
        f"{REF}.strategy": "fsdp2",
        f"{REF}.log_prob_use_dynamic_bsz": dynamic,
        f"{REF}.log_prob_max_token_len_per_gpu": facts.token_budget,
    }
    if not dynamic:
        settings[f"{REF}.log_prob_micro_batch_size_per_gpu"] = micro
    if cpu:
        settings[f"{REF}.use_torch_compile"] = False
        settings[f"{REF}.fsdp_config.use_torch_compile"] = False
    return settings


def _critic(options: Options, facts: Facts) -> dict[str, Any]:
    dynamic, micro = _sizes(options, facts)
    settings: dict[str, Any] = {
        "critic.strategy": "fsdp2",
        "critic.model.path": str(facts.model_folder),
        "critic.model.trust_remote_code": options.trust_remote_code,
        "critic.model.use_remove_padding": facts.kernels.flash_attention,
        "critic.model.enable_gradient_checkpointing": facts.gradient_checkpointing,
        "critic.model.use_liger": facts.kernels.liger,
        "critic.optim.lr": 3 * options.learning_rate,
        "critic.ppo_mini_batch_size": options.mini_batch,
        "critic.use_dynamic_bsz": dynamic,
        "critic.ppo_max_token_len_per_gpu": facts.token_budget,
    }
    if not facts.kernels.flash_attention:
        settings["+critic.model.override_config.attn_implementation"] = "sdpa"
    if not dynamic:
        settings["critic.ppo_micro_batch_size_per_gpu"] = micro
    return settings


def _float32(options: Options) -> dict[str, Any]:
    trained = [
        f"{ACTOR}.fsdp_config",
        *([f"{REF}.fsdp_config"] if options.kl else []),
        *(["critic.fsdp"] if options.algorithm in NEEDS_CRITIC else []),
    ]
    computes = {"param_dtype": "fp32", "reduce_dtype": "fp32", "buffer_dtype": "fp32"}
    return {f"{ROLLOUT}.dtype": "float32", **{f"+{part}.mixed_precision": computes for part in trained}}


def _trainer(options: Options, facts: Facts, cpu: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "trainer.device": options.device,
        "trainer.n_gpus_per_node": facts.gpus,
        "trainer.nnodes": options.nodes,
        "trainer.total_training_steps": facts.total_steps,
        # verl stops at the first of the two limits; steps decide.
        "trainer.total_epochs": facts.total_steps,
        "trainer.save_freq": int(options.save_every) if options.save_every.isdigit() else facts.total_steps,
        "trainer.test_freq": options.validate_every,
        "trainer.val_before_train": facts.validate_first,
        # The last step was saved and its validation cut off: only that is left to do.
        "trainer.val_only": facts.resume_step >= facts.total_steps,
        "trainer.default_local_dir": str(facts.run),
        "trainer.project_name": "trainkit",
        "trainer.experiment_name": facts.run.name,
        "trainer.logger": ["console", "file", *options.logger],
        "trainer.resume_mode": "resume_path" if facts.resume_step else "disable",
        "trainer.checkpoint_callback_class": "trainkit.plugins.checkpoint_callback.Callback",
        "trainer.v1.sampler.custom_sampler.path": "pkg://trainkit.plugins.replay_buffer",
        "trainer.v1.sampler.custom_sampler.name": "StrictReplayBuffer",
        f"{KWARGS}.run": str(facts.run),
        f"{KWARGS}.samples": options.samples,
        **draw_settings(options),
        f"{KWARGS}.poll_seconds": POLL_SECONDS,
        f"{KWARGS}.start_early": _early(options, facts) if options.nodes == 1 else None,
        f"{KWARGS}.note_prompts": facts.resume_step == 0,
        # The reward is computed in the agent loop: verl's reward processes would stay idle.
        "reward.num_workers": 0,
        "hydra.run.dir": str(facts.run / "hydra"),
    }
    if facts.resume_step:
        settings["trainer.resume_from_path"] = str(facts.run / f"global_step_{facts.resume_step}")
    if options.nodes == 1:
        settings |= {"+ray_kwargs.ray_init.address": "local", "+ray_kwargs.ray_init.include_dashboard": False}
    if cpu and options.nodes == 1:
        settings |= {
            "ray_kwargs.ray_init.num_cpus": 8,
            # Placement asks Ray for a GPU: this one is made up (trainkit/plugins/cpu_platform.py).
            "+ray_kwargs.ray_init.num_gpus": 1,
            "+ray_kwargs.ray_init.object_store_memory": 300_000_000,
        }
    return settings


def _early(options: Options, facts: Facts) -> dict[str, int]:
    return {"workers": AGENTS[str(options.device)], "servers": facts.gpus // options.tp}


def to_arguments(settings: Mapping[str, Any]) -> list[str]:
    """Settings as the arguments of verl's command line."""
    return [f"{key}={_hydra_value(value)}" for key, value in settings.items()]


def _hydra_value(value: Any) -> str:
    """A value in Hydra's grammar; texts are quoted where it would read them as something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ",".join(_hydra_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_hydra_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        plain = value and all(c.isalnum() or c in "/._-+:@" for c in value)
        return value if plain else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return repr(value)
