"""Scheduling decoding steps of 1,024 requests: our scheduler against vLLM 0.24's own, on one core.

    pytest -s tests/bench/bench_scheduler.py

The tokens of a step are taken when the one after is scheduled, as vLLM's engine does it; no model runs. The
requests are those of 128 prompts x 8 samples with 150 tokens each. Both take turns; medians of the rounds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

SEQUENCES, SAMPLES, PROMPT, STEPS, ROUNDS = 1024, 8, 150, 150, 5


def microseconds(kind: type, model: str) -> float:
    """Time that a scheduler takes for a token."""
    import gc
    import time
    from collections import deque

    from scheduler_workloads import answer, made_request, scheduler

    made = scheduler(kind, model, SEQUENCES, SEQUENCES * 64, 896, v2=False)
    for number in range(SEQUENCES):
        prompt = [number // SAMPLES * 7 + token for token in range(PROMPT)]
        made.add_request(made_request(number, prompt, limit=512))
    gc.collect()
    gc.freeze()  # as vLLM's engine does once it is up
    spent, tokens, under_way = 0.0, 0, deque()
    for number in range(100 + STEPS):
        began = time.perf_counter()
        step = made.schedule()
        scheduled = time.perf_counter() - began
        under_way.append((step, answer(step, made)))
        if len(under_way) == 2:
            began = time.perf_counter()
            made.update_from_output(*under_way.popleft())
            scheduled += time.perf_counter() - began
        if number >= 100:  # prompts are computed by then
            spent, tokens = spent + scheduled, tokens + step.total_num_scheduled_tokens
    return spent / tokens * 1e6


def test_scheduler(with_vllm_024: Callable[..., str], smollm2: Path) -> None:
    print("\n" + with_vllm_024(__file__, smollm2))


if __name__ == "__main__":
    from statistics import median

    from scheduler_workloads import KINDS, init_hashes

    init_hashes()
    rounds = [[microseconds(kind, sys.argv[1]) for kind in KINDS] for _ in range(ROUNDS)]
    theirs, ours = map(median, zip(*rounds, strict=True))
    print(f"scheduling a token: {ours:.1f} µs to vLLM's {theirs:.1f} µs, ratio {ours / theirs:.2f}")
