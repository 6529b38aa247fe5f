"""What of a step is drawn and trained on: the settings of our replay buffer in verl's trainer."""

from __future__ import annotations

from fnmatch import fnmatchcase
from math import gcd, lcm
from typing import Any

from evalkit.engines.vllm_install import GRAPH_SIZES
from prompts.errors import UserError
from trainkit.algorithms import NEEDS_CRITIC, NEEDS_GROUPS
from trainkit.launch.set_allowed import ACTOR, ROLLOUT
from trainkit.options import Options

KWARGS = "+trainer.v1.sampler.sampler_kwargs"
GIVE_UP_AFTER = 20
"""Batches of groups without advantage that dapo draws in one step before the run stops."""
MORE_GRAPH_SIZES = (1536, 2048, 3072, 4096)
"""Batches beyond those of `evalkit score`, for --max-seqs."""
COUNT_ALL = (
    f"{ACTOR}.entropy_coeff",
    f"{ACTOR}.policy_loss*",
    f"{ACTOR}.shuffle",
    f"{ACTOR}.strategy",
    "algorithm.use_kl_in_reward",
    "algorithm.rollout_correction*",
    "critic*",
    "distillation*",
)
"""verl settings by which a group without advantage does change the weights, or may: all are trained on."""


def groups_trained(options: Options) -> str:
    """teaching, all or unordered (see --groups). Raises UserError where leaving out would not be exact."""
    if options.algorithm == "dapo":  # it leaves them out by definition
        if options.groups not in (None, "teaching"):
            raise UserError(f"dapo trains on groups that teach; --groups {options.groups} is for grpo")
        return "teaching"
    reason = why_all_count(options)
    if options.groups == "teaching" and reason:
        raise UserError(
            f"--groups teaching: with {reason} groups without advantage change the weights too; "
            "give --groups all"
        )
    return options.groups or ("all" if reason else "teaching")


def why_all_count(options: Options) -> str | None:
    """The option by which groups without advantage change the weights all the same; None where none does."""
    if options.algorithm not in NEEDS_GROUPS:
        return options.algorithm
    if options.kl:
        return f"--kl {options.kl:g}"
    keys = [item.partition("=")[0].strip().lstrip("+~") for item in options.set]
    return next((f"--set {key}" for key in keys for pattern in COUNT_ALL if fnmatchcase(key, pattern)), None)


def draws_what_is_needed(options: Options) -> bool:
    """Whether a step draws so many prompts that about a batch of groups teaches (see --draw)."""
    needed = options.draw == "needed" or (options.draw is None and options.algorithm == "dapo")
    if needed and groups_trained(options) != "teaching":
        raise UserError(
            "--draw needed draws more prompts because some are left out, which needs --groups teaching "
            f"(here: {why_all_count(options) or '--groups ' + str(options.groups)}); give --draw batch"
        )
    return needed


def fetched_at_once(options: Options) -> int:
    """Prompts that verl's data loader hands over at a time: a step draws a multiple of it."""
    return gcd(options.batch, max(1, options.batch // 8))


def generated_at_once(options: Options) -> dict[str, Any]:
    """How many completions vLLM computes at once, and the batches for which it captures CUDA graphs."""
    most = options.max_seqs or min(1024, max(64, options.batch * options.samples))
    settings: dict[str, Any] = {f"{ROLLOUT}.max_num_seqs": most}
    if options.device != "cpu":
        sizes = [size for size in (*GRAPH_SIZES, *MORE_GRAPH_SIZES) if size <= most]
        settings[f"{ROLLOUT}.cudagraph_capture_sizes"] = sizes
    return settings


def draw_settings(options: Options) -> dict[str, Any]:
    """The settings of verl's data loader and of `trainkit.plugins.replay_buffer`."""
    needed, groups = draws_what_is_needed(options), groups_trained(options)
    updates = options.batch // options.mini_batch
    ours = {
        "groups": groups,
        # verl divides the batch itself where a critic learns from it too.
        "divide_updates": options.algorithm not in NEEDS_CRITIC,
        "whole": options.algorithm != "dapo",
        "mini_batches": updates,
        "seed": options.seed,
        "draw_multiple": lcm(fetched_at_once(options), updates) if needed else 0,
        "draw_again": options.algorithm == "dapo",
        "give_up_after": GIVE_UP_AFTER * options.batch,
    }
    loader = {"data.gen_batch_size": fetched_at_once(options)} if needed else {}
    return {**loader, **{f"{KWARGS}.{name}": value for name, value in ours.items()}}
