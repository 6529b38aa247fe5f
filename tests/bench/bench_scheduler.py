"""Scheduling 1,024 requests, and a queue of 3,000: our scheduler against vLLM 0.24's own, on one core.

    pytest -s tests/bench/bench_scheduler.py

The tokens of a step are taken when the one after is scheduled, as vLLM's engine does it; no model runs. The
requests are those of 128 prompts x 8 samples with 150 tokens each. Both take turns; medians of the rounds.
The queue has answers of 100 to 300 tokens and 1,024 places; it is run once, to its end, also by our
scheduler when it admits a request as soon as a place is free, as vLLM does.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

SEQUENCES, SAMPLES, PROMPT, STEPS, ROUNDS = 1024, 8, 150, 150, 5
QUEUE, SHORTEST, LONGEST, BATCHED = 3000, 100, 300, 16384


def microseconds(kind: type, model: str) -> float:
    """Time that a scheduler takes for a token."""
    from scheduler_workloads import made_request, scheduler

    made = scheduler(kind, model, SEQUENCES, SEQUENCES * 64, 896, v2=False)
    for number in range(SEQUENCES):
        prompt = [number // SAMPLES * 7 + token for token in range(PROMPT)]
        made.add_request(made_request(number, prompt, limit=512))
    taken = islice(seconds_and_tokens(made), 100, 100 + STEPS)  # prompts are computed by then
    seconds, tokens = map(sum, zip(*taken, strict=True))
    return seconds / tokens * 1e6


def queue_seconds(kind: type, model: str, together: int | None) -> tuple[float, int]:
    """Time that a scheduler takes for a queue of requests, and in how many steps it is done."""
    from scheduler_workloads import made_request, scheduler

    made = scheduler(kind, model, SEQUENCES, SEQUENCES * 64, 896, v2=False, batched=BATCHED)
    if together is not None:
        made.together = together
    chance = random.Random(0)
    for number in range(QUEUE):
        prompt = [number * 7 + token for token in range(PROMPT)]
        made.add_request(made_request(number, prompt, limit=chance.randint(SHORTEST, LONGEST)))
    taken = [seconds for seconds, _ in seconds_and_tokens(made)]
    return sum(taken), len(taken)


def seconds_and_tokens(made: Any) -> Iterator[tuple[float, int]]:
    """Of each step until nothing is left: the scheduler's time, and the tokens that it scheduled."""
    from scheduler_workloads import answer

    gc.collect()
    gc.freeze()  # as vLLM's engine does once it is up
    under_way: deque[Any] = deque()
    while made.has_unfinished_requests() or under_way:
        began = time.perf_counter()
        step = made.schedule()
        spent = time.perf_counter() - began
        if step.total_num_scheduled_tokens:
            under_way.append((step, answer(step, made)))
        if len(under_way) == 2 or not step.total_num_scheduled_tokens:
            began = time.perf_counter()
            made.update_from_output(*under_way.popleft())
            spent += time.perf_counter() - began
        yield spent, step.total_num_scheduled_tokens


def test_scheduler(with_vllm_024: Callable[..., str], smollm2: Path) -> None:
    print("\n" + with_vllm_024(__file__, smollm2).replace("; ", "\n"))


if __name__ == "__main__":
    from statistics import median

    from scheduler_workloads import KINDS, init_hashes

    init_hashes()
    rounds = [[microseconds(kind, sys.argv[1]) for kind in KINDS] for _ in range(ROUNDS)]
    theirs, ours = map(median, zip(*rounds, strict=True))
    sides = (KINDS[0], None), (KINDS[1], 1), (KINDS[1], None)
    (t_all, t_steps), (o_all, o_steps), (g_all, g_steps) = [
        queue_seconds(k, sys.argv[1], n) for k, n in sides
    ]
    print(
        f"scheduling a token: {ours:.1f} µs to vLLM's {theirs:.1f} µs, ratio {ours / theirs:.2f}; "
        f"a queue of {QUEUE:,}: {g_all:.1f} s in {g_steps} steps, one by one {o_all:.1f} s in {o_steps}, "
        f"vLLM's {t_all:.1f} s in {t_steps}, ratio {g_all / t_all:.2f}"
    )
