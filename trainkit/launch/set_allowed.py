"""verl settings that `--set` may change, by group, each group with the reason why it is harmless.

Harmless means: it cannot change what the model reads, which rows and rewards it is trained on, whose
code or files are loaded, or what the checkpoint holds. Everything else needs `--allow-unsafe-set`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

ACTOR, REF, ROLLOUT, MODEL = (f"actor_rollout_ref.{part}" for part in ("actor", "ref", "rollout", "model"))

_KEY = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")
_OPTIMIZER = (
    "lr_warmup_steps",
    "lr_warmup_steps_ratio",
    "weight_decay",
    "betas",
    "clip_grad",
    "min_lr_ratio",
    "num_cycles",
    "lr_scheduler_type",
    "zero_indexed_step",
    "warmup_style",
    "override_optimizer_config*",
)
_SHARDING = (
    "wrap_policy.min_num_params",
    "param_offload",
    "optimizer_offload",
    "offload_policy",
    "reshard_after_forward",
    "fsdp_size",
    "forward_prefetch",
    "use_orig_params",
    "full_determinism",
    "ulysses_sequence_parallel_size",
    "entropy_*",
    "use_torch_compile",
    "use_no_sync_for_gradient_accumulation",
    "mixed_precision*",
    "model_dtype",
)
_MEMORY = (
    "use_torch_compile",
    "ulysses_sequence_parallel_size",
    "entropy_checkpointing",
    "entropy_from_logits_*",
)
_LOG_PROBS = ("log_prob_micro_batch_size*", "log_prob_use_dynamic_bsz", "log_prob_max_token_len_per_gpu")


def _below(group: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{group}.{name}" for name in names)


ALLOWED: Mapping[str, tuple[str, ...]] = {
    "the optimizer: how a gradient becomes a step": (
        *_below(f"{ACTOR}.optim", _OPTIMIZER),
        *_below("critic.optim", ("lr", *_OPTIMIZER)),
    ),
    "the loss: how rewards, once given, become a gradient": (
        *_below(
            ACTOR,
            (
                "clip_ratio*",
                "tau_pos",
                "tau_neg",
                "policy_loss.*",
                "loss_agg_mode",
                "loss_scale_factor",
                "entropy_coeff",
                "calculate_entropy",
                "calculate_sum_pi_squared",
                "ppo_epochs",
                "shuffle",
                "grad_clip",
                "data_loader_seed",
            ),
        ),
        *_below("algorithm", ("gamma", "lam", "norm_adv_by_std_in_grpo", "rollout_correction.*")),
        *_below("critic", ("cliprange_value", "loss_agg_mode", "ppo_epochs", "shuffle", "grad_clip")),
        "trainer.critic_warmup",
    ),
    "memory and speed of training: the same numbers, stored or computed in another order": (
        f"{ACTOR}.strategy",
        f"{REF}.strategy",
        "critic.strategy",
        *_below(f"{ACTOR}.fsdp_config", _SHARDING),
        *_below(f"{REF}.fsdp_config", _SHARDING),
        *_below("critic.fsdp", _SHARDING),
        *_below(ACTOR, ("use_fused_kernels", "use_prefix_grouper", *_MEMORY)),
        *_below(REF, (*_MEMORY, *_LOG_PROBS)),
        *_below("critic", ("ulysses_sequence_parallel_size", "forward_*micro_batch_size*")),
        *_below(
            MODEL,
            (
                "enable_gradient_checkpointing",
                "enable_activation_offload",
                "use_remove_padding",
                "use_fused_kernels",
                "fused_kernel_options.impl_backend",
                "use_liger",
                "tiled_mlp.*",
            ),
        ),
        "trainer.balance_batch",
        "data.dataloader_num_workers",
    ),
    "which weights an adapter of trainkit's own has": _below(
        MODEL, ("lora_alpha", "target_modules", "exclude_modules")
    ),
    "memory and speed of rollouts": _below(
        ROLLOUT,
        (
            "enforce_eager",
            "free_cache_engine",
            "cudagraph_capture_sizes",
            "max_num_seqs",
            "max_num_batched_tokens",
            "enable_chunked_prefill",
            "enable_prefix_caching",
            "scheduling_policy",
            "data_parallel_size",
            "expert_parallel_size",
            "pipeline_model_parallel_size",
            "layered_summon",
            "multi_stage_wake_up",
            "full_determinism",
            "disable_log_stats",
            "calculate_log_probs",
            *_LOG_PROBS,
            "checkpoint_engine.update_weights_bucket_megabytes",
        ),
    ),
    "names, logs and Ray's sizes": (
        "trainer.project_name",
        "trainer.experiment_name",
        "trainer.log_val_generations",
        "trainer.ray_wait_register_center_timeout",
        "transfer_queue.backend.SimpleStorage.*",
        "ray_kwargs.ray_init.num_cpus",
        "ray_kwargs.ray_init.object_store_memory",
        "actor_rollout_ref.nccl_timeout",
    ),
}
"""Shell patterns of verl 0.9.1's settings."""


def is_allowed(key: str) -> bool:
    """Whether `--set` takes a key (as it was typed, with its `+` or `~`) without `--allow-unsafe-set`."""
    if key.startswith("~"):  # a setting that is removed falls back to whatever verl's code does then
        return False
    bare = key.lstrip("+")
    return bool(_KEY.fullmatch(bare)) and any(
        fnmatchcase(bare, pattern) or fnmatchcase(bare, f"{pattern}.*")
        for patterns in ALLOWED.values()
        for pattern in patterns
    )
