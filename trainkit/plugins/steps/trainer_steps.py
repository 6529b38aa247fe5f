"""Four steps of verl 0.9.1's trainer, for a batch that is only a part of what was generated.

`_balance_batch` shares each mini-batch among the GPUs, where verl shares the batch and tears groups;
`_compute_old_log_prob` leaves out the first mini-batch, whose old log-probs are those of the update itself,
and takes the entropy of a sample;
`_update_actor` hands the mini-batches' sizes and divisors on (trainkit.plugins.steps.mini_batches); and
`_compute_metrics` counts everything that was generated. They act where `StrictReplayBuffer` has divided
the batch; `--groups unordered` switches that off.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any

import torch
import transfer_queue as tq  # type: ignore[import-untyped]
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.padding_utils import upsample_batch_to_divisible_size
from verl.trainer.ppo.v1.trainer_base import PPOTrainer
from verl.utils.seqlen_balancing import (
    calculate_workload,
    get_seqlen_balanced_partitions,
    log_seqlen_unbalance,
)
from verl.workers.utils.padding import response_from_nested

from trainkit.draw.groups import Division, Trajectory
from trainkit.plugins.steps.mini_batches import KEY
from trainkit.plugins.switch import left_out
from trainkit.plugins.versions import require

verls_balance, verls_log_probs, verls_update, verls_metrics = (
    PPOTrainer._balance_batch,
    PPOTrainer._compute_old_log_prob,
    PPOTrainer._update_actor,
    PPOTrainer._compute_metrics,
)
STEPS = ("_balance_batch", "_compute_old_log_prob", "_update_actor", "_compute_metrics")
CLIPPED = ("actor/pg_clipfrac", "actor/pg_clipfrac_lower")
"""Shares of tokens whose loss is clipped: one without advantage never is."""
ENTROPY_ROWS = 64
"""Answers of a step whose entropy is computed: of 290 tokens each they tell its mean to about 5 %."""


def install() -> None:
    """Put our steps in the place of verl's, in this process."""
    require("trainer_steps")
    PPOTrainer._balance_batch = balance
    PPOTrainer._update_actor = update
    if "first_log_probs" not in left_out():
        PPOTrainer._compute_old_log_prob = old_log_probs
    PPOTrainer._compute_metrics = compute_metrics


@wraps(verls_balance)
def balance(trainer: Any, batch: Any, metrics: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Order a batch by GPU, and in it by mini-batch; pad a mini-batch that GPUs cannot share evenly."""
    division: Division | None = trainer.replay_buffer.division
    if division is None:
        return verls_balance(trainer, batch, metrics, *args, **kwargs)
    workers = trainer.actor_rollout_wg
    if "actor" not in workers._dispatch_info:
        workers._dispatch_info["actor"] = workers._query_dispatch_info("actor")
    ranks: list[list[tuple[str, dict[str, Any]]]] = [
        [] for _ in range(max(workers._dispatch_info["actor"]) + 1)
    ]
    sizes = []
    for part in division.mini_batches:
        chosen = batch.select_keys([one.key for one in part.trained])
        padded = upsample_batch_to_divisible_size(chosen, len(ranks), trainer.tokenizer.eos_token_id)
        lengths = torch.tensor([tag["seq_len"] for tag in padded.tags])
        shares = get_seqlen_balanced_partitions(calculate_workload(lengths), len(ranks), equal_size=True)
        for rank, share in zip(ranks, shares, strict=True):
            rank.extend((padded.keys[i], padded.tags[i]) for i in share)
        sizes.append(len(padded) // len(ranks))
    trainer.replay_buffer.sizes = sizes
    rows = [row for rank in ranks for row in rank]
    _note_balance([[tag["seq_len"] for _, tag in rank] for rank in ranks], metrics)
    return KVBatchMeta(
        keys=[key for key, _ in rows],
        tags=[tag for _, tag in rows],
        partition_id=batch.partition_id,
        fields=batch.fields,
        extra_info=batch.extra_info,
    )


def _note_balance(lengths: list[list[int]], metrics: dict[str, Any]) -> None:
    """The metrics `global_seqlen/…`, which verl makes of the tokens of each GPU, of what is trained on."""
    size = len(lengths[0])
    partitions = [list(range(rank * size, (rank + 1) * size)) for rank in range(len(lengths))]
    flat = [length for rank in lengths for length in rank]
    metrics.update(log_seqlen_unbalance(seqlen_list=flat, partitions=partitions, prefix="global_seqlen"))


@wraps(verls_log_probs)
def old_log_probs(trainer: Any, batch: Any, metrics: dict[str, Any]) -> Any:
    """Old log-probs of all mini-batches but the first; NaN stands for its own (mini_batches).

    The entropy that verl reports is that of a sample of all answers, trained on or not. Nothing is left out
    where something else reads old log-probs, or the first mini-batch comes up again.
    """
    buffer, config = trainer.replay_buffer, trainer.config
    division: Division | None = buffer.division
    if (
        division is None
        or config.actor_rollout_ref.actor.ppo_epochs > 1
        or config.actor_rollout_ref.rollout.calculate_log_probs
        or config.algorithm.use_kl_in_reward
    ):
        return verls_log_probs(trainer, batch, metrics)
    tags = dict(zip(batch.keys, batch.tags, strict=True))
    tags |= {one.key: tag for one, tag in zip(division.left_out, buffer.left_out_tags, strict=True)}
    rank = sum(buffer.sizes)
    sample = entropy_sample([*division.trained, *division.left_out], len(batch) // rank)
    verls_log_probs(trainer, _part(batch, sample, tags), metrics)
    first = [key for i, key in enumerate(batch.keys) if i % rank < buffer.sizes[0]]
    others = [key for i, key in enumerate(batch.keys) if i % rank >= buffer.sizes[0]]
    if others:
        log_probs_alone(trainer, _part(batch, others, tags))
    unknown = _ragged([tags[key]["response_len"] for key in first], float("nan"))
    fields = TensorDict({"old_log_probs": unknown}, batch_size=len(first))
    tq.kv_batch_put(keys=first, partition_id=batch.partition_id, fields=fields)
    return batch


def entropy_sample(drawn: Sequence[Trajectory], gpus: int) -> list[str]:
    """Keys of `ENTROPY_ROWS` answers at most, evenly over the rows that were drawn; a multiple of `gpus`."""
    ordered = sorted(drawn, key=lambda one: (one.row, one.group, one.sample))
    count = min(ENTROPY_ROWS, len(ordered)) // gpus * gpus
    return [ordered[place * len(ordered) // count].key for place in range(count)]


def log_probs_alone(trainer: Any, batch: Any) -> None:
    """Old log-probs without entropy, whose passes over a large vocabulary cost as much as a layer's."""
    about = {"calculate_entropy": False, "compute_loss": False}
    batch.extra_info |= {**about, "temperature": trainer.config.actor_rollout_ref.rollout.temperature}
    trainer.actor_rollout_wg.compute_log_prob(batch)
    where = {"keys": batch.keys, "partition_id": batch.partition_id}
    data = tq.kv_batch_get(**where, select_fields=["log_probs", "response_mask"])
    old = response_from_nested(data["log_probs"], data["response_mask"])
    tq.kv_batch_put(**where, fields=TensorDict({"old_log_probs": old}, batch_size=len(batch)))


def _part(batch: Any, keys: list[str], tags: dict[str, dict[str, Any]]) -> Any:
    return KVBatchMeta(
        keys=keys,
        tags=[tags[key] for key in keys],
        partition_id=batch.partition_id,
        fields=batch.fields,
        extra_info=batch.extra_info,
    )


def _ragged(lengths: list[int], value: float) -> torch.Tensor:
    """Rows of these lengths, filled with one value."""
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return torch.nested.nested_tensor_from_jagged(torch.full((sum(lengths),), value), offsets)


@wraps(verls_update)
def update(trainer: Any, batch: Any, metrics: dict[str, Any]) -> Any:
    """Say in the batch which rows make up which optimizer step, and what their losses are divided by."""
    division: Division | None = trainer.replay_buffer.division
    if division is not None:
        parts = division.mini_batches
        batch.extra_info[KEY] = {
            "here": trainer.replay_buffer.sizes,
            "rows": None if parts[0].rows is None else [part.rows for part in parts],
            "tokens": None if parts[0].tokens is None else [part.tokens for part in parts],
        }
    batch = verls_update(trainer, batch, metrics)
    if division is not None and parts[0].tokens is not None:
        for name in CLIPPED:
            if name in metrics:
                metrics[name] *= division.token_share
    return batch


@wraps(verls_metrics)
def compute_metrics(trainer: Any, batch: Any, metrics: dict[str, Any], *args: Any, **kwargs: Any) -> None:
    """Metrics over all that was generated: what was left out has an advantage of zero."""
    division: Division | None = trainer.replay_buffer.division
    if division is None or not division.left_out:
        verls_metrics(trainer, batch, metrics, *args, **kwargs)
        return
    keys = [one.key for one in division.left_out]
    zeros = _ragged([one.tokens for one in division.left_out], 0.0)
    nothing = TensorDict({"advantages": zeros, "returns": zeros}, batch_size=len(keys))
    tq.kv_batch_put(keys=keys, partition_id=batch.partition_id, fields=nothing)
    tags = trainer.replay_buffer.left_out_tags
    whole = KVBatchMeta(keys=[*batch.keys, *keys], tags=[*batch.tags, *tags], partition_id=batch.partition_id)
    verls_metrics(trainer, whole, metrics, *args, **kwargs)
    tq.kv_clear(keys=keys, partition_id=batch.partition_id)
