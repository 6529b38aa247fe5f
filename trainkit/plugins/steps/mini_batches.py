"""verl 0.9.1's worker, taught mini-batches of unlike sizes whose losses have divisors of their own.

verl cuts a batch into equal mini-batches, and divides a loss by the tokens that it finds in one. Where
groups without advantage were left out (trainkit.draw.groups) both must stay those of the whole batch. The
trainer says so in the batch (`KEY`); a batch that says nothing goes verl's own way, which
`--groups unordered` makes sure of.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any, TypedDict

import torch
from verl.trainer.ppo import core_algos
from verl.utils import tensordict_utils
from verl.workers import engine_workers
from verl.workers.engine.fsdp import transformer_impl

from trainkit.plugins.versions import require

KEY, LAST, TOKENS = "trainkit_division", "trainkit_last", "trainkit_tokens"
verls_iterator = tensordict_utils.make_iterator
verls_micro_batches = transformer_impl.prepare_micro_batches
verls_train_batch = engine_workers.TrainingWorker.train_batch


class Sizes(TypedDict):
    """One entry a mini-batch: its rows on this rank, and rows and tokens of the whole one on all ranks."""

    here: list[int]
    rows: list[int] | None
    tokens: list[int] | None


def install() -> None:
    """Put our functions in the place of verl's, in this process."""
    require("mini_batches")
    tensordict_utils.make_iterator = mini_batches
    transformer_impl.prepare_micro_batches = micro_batches
    engine_workers.TrainingWorker.train_batch = train_batch
    for name in ("vanilla", "gspo"):
        core_algos.POLICY_LOSS_REGISTRY[name] = with_own_log_probs(core_algos.POLICY_LOSS_REGISTRY[name])


def mini_batches(tensordict: Any, mini_batch_size: int, epochs: int, *args: Any, **kwargs: Any) -> Any:
    """What verl's function returns (verl/utils/tensordict_utils.py:559): an iterator of TensorDicts."""
    sizes: Sizes | None = tensordict_utils.pop(tensordict, KEY)
    if sizes is None:
        return verls_iterator(tensordict, mini_batch_size, epochs, *args, **kwargs)
    return _unlike(tensordict, sizes, epochs)


def _unlike(tensordict: Any, sizes: Sizes, epochs: int) -> Iterator[Any]:
    """Consecutive rows, so many a mini-batch, with the divisors that the loss will use."""
    if sum(sizes["here"]) != tensordict.shape[0]:
        raise RuntimeError(f"trainkit: {tensordict.shape[0]} rows came for mini-batches of {sizes['here']}")
    for epoch in range(epochs):
        start = 0
        for number, size in enumerate(sizes["here"]):
            part = tensordict_utils.index_select_tensor_dict(tensordict, list(range(start, start + size)))
            start += size
            last = epoch == epochs - 1 and number == len(sizes["here"]) - 1
            tensordict_utils.assign_non_tensor_data(part, LAST, last)
            if sizes["rows"] is not None:
                tensordict_utils.assign_non_tensor_data(part, "global_batch_size", sizes["rows"][number])
            if sizes["tokens"] is not None:
                tensordict_utils.assign_non_tensor_data(part, TOKENS, sizes["tokens"][number])
            yield part


@wraps(verls_train_batch)
def train_batch(self: Any, data: Any) -> Any:
    """One optimizer step; the learning rate's schedule moves on after the last one of a training step.

    verl finds the last one by dividing the rows by the size of a mini-batch (engine_workers.py:275).
    """
    last = tensordict_utils.pop(data, LAST)
    if last is not None:
        tensordict_utils.assign_non_tensor_data(data, "update_lr_scheduler", last)
    return verls_train_batch(self, data)


def micro_batches(data: Any, **kwargs: Any) -> Any:
    """What verl's function returns (workers/engine/utils.py:102), with the divisor put in before.

    verl has just counted the tokens of what is trained on. A micro-batch with a fixed number of rows is
    made the largest one, up to that number, which divides the rows that there are.
    """
    tokens = tensordict_utils.pop(data, TOKENS)
    if tokens is not None:
        tensordict_utils.assign_non_tensor_data(data, "batch_num_tokens", tokens)
    if not tensordict_utils.get_non_tensor_data(data, "use_dynamic_bsz", default=True):
        most = min(len(data), data["micro_batch_size_per_gpu"])
        fitting = next(size for size in range(most, 0, -1) if len(data) % size == 0)
        tensordict_utils.assign_non_tensor_data(data, "micro_batch_size_per_gpu", fitting)
    return verls_micro_batches(data=data, **kwargs)


def with_own_log_probs(loss: Any) -> Any:
    """A policy loss that takes the policy's own log-probs for old ones that are NaN: not computed.

    The trainer leaves them out for the first optimizer step of a batch, which is taken from the very weights
    that answered (trainkit.plugins.steps.trainer_steps). The ratio is 1, and its gradient that of the policy.
    """

    @wraps(loss)
    def filled(old_log_prob: torch.Tensor, log_prob: torch.Tensor, **rest: Any) -> Any:
        known = torch.where(old_log_prob.isnan(), log_prob.detach(), old_log_prob)
        return loss(old_log_prob=known, log_prob=log_prob, **rest)

    return filled
