"""Picking the rows of mini-batches and micro-batches: ours against verl's own, on one core.

    pytest -s tests/bench/bench_rows.py

A batch of 1,024 trajectories with the fields that verl's actor gets is cut as at 128 x 8 questions: four
mini-batches of 256, each in four micro-batches of 64.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

TRAJECTORIES, MINI, MICRO = 1024, 256, 64
WHOLE = ("input_ids", "position_ids", "loss_mask")
RESPONSE = ("responses", "response_mask", "rm_scores", "old_log_probs", "advantages", "returns")
TIMES = 5


def made_batch() -> Any:
    """A TensorDict of ragged fields: prompts of 150 tokens, responses of 1 to 450."""
    import torch
    from tensordict import TensorDict

    responses = torch.randint(1, 450, (TRAJECTORIES,), generator=torch.Generator().manual_seed(0)).tolist()

    def ragged(lengths: list[int]) -> torch.Tensor:
        return torch.nested.as_nested_tensor([torch.zeros(n) for n in lengths], layout=torch.jagged)

    fields = {name: ragged([150 + n for n in responses]) for name in WHOLE}
    fields |= {name: ragged(responses) for name in RESPONSE}
    return TensorDict({**fields, "prompts": ragged([150] * TRAJECTORIES)}, batch_size=[TRAJECTORIES])


def seconds(select: Callable[[Any, list[int]], Any], batch: Any) -> float:
    """Time of one step's picking: every mini-batch, then its micro-batches."""
    began = time.perf_counter()
    for start in range(0, TRAJECTORIES, MINI):
        mini = select(batch, list(range(start, start + MINI)))
        for begin in range(0, MINI, MICRO):
            select(mini, list(range(begin, begin + MICRO)))
    return time.perf_counter() - began


def test_rows() -> None:
    import torch

    from trainkit.plugins.steps import nested_rows

    torch.set_num_threads(1)
    batch, ours, verls = made_batch(), [], []
    for _ in range(TIMES):
        ours.append(seconds(nested_rows.select, batch))
        verls.append(seconds(nested_rows.verls_own, batch))
    mine, theirs = median(ours), median(verls)
    print(f"\npicking rows of a step: {mine:.2f} s to verl's {theirs:.2f} s, ratio {mine / theirs:.2f}")
