"""Random workloads for vLLM 0.24's scheduler and for ours, step by step, without a model.

    python tests/helpers/scheduler_workloads.py MODEL FIRST LAST [--v2 | --groups]     (of random seeds)

Ours admits requests as they come here, as vLLM does, so that each step is the same; with `--groups` in
groups of a quarter of the places, and what becomes of each request must be the same. Prints how many steps
were compared, how many of them ours scheduled the short way, and how often requests were preempted; ends
with the first difference. Tokens are made of the request and the position, so both schedulers get the same
ones, when the step after is scheduled, as vLLM's engine does it.
"""

from __future__ import annotations

import json
import random
import sys
import zlib
from collections import deque
from typing import Any

import torch
from vllm.config import CacheConfig, DeviceConfig, ModelConfig, SchedulerConfig, VllmConfig
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.utils.hashing import get_hash_fn_by_name
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request, RequestStatus
from vllm.v1.structured_output import StructuredOutputManager

from evalkit.engines.fast_decode import DecodeScheduler, DecodeSchedulerOutput
from evalkit.engines.vllm_install import SCHEDULER_RAN

KINDS = (AsyncScheduler, DecodeScheduler)
BLOCK = 16
VOCABULARY = 40


def scheduler(
    kind: type, model: str, sequences: int, blocks: int, longest: int, v2: bool, batched: int = 2048
) -> Any:
    cache = CacheConfig(block_size=BLOCK, gpu_memory_utilization=0.5, enable_prefix_caching=True)
    cache.num_gpu_blocks = blocks
    config = VllmConfig(
        model_config=ModelConfig(model=model, tokenizer=model, dtype="bfloat16", max_model_len=longest),
        scheduler_config=SchedulerConfig(
            max_num_seqs=sequences, max_num_batched_tokens=batched, max_model_len=longest,
            enable_chunked_prefill=True, is_encoder_decoder=False,
        ),
        cache_config=cache,
        device_config=DeviceConfig("cpu"),
    )  # fmt: skip
    config.scheduler_config.async_scheduling = True  # vLLM's CPU build says no; the schedulers need no device
    attention = FullAttentionSpec(block_size=BLOCK, num_kv_heads=2, head_size=64, dtype=torch.bfloat16)
    made = kind(
        vllm_config=config,
        kv_cache_config=KVCacheConfig(
            num_blocks=blocks, kv_cache_tensors=[], kv_cache_groups=[KVCacheGroupSpec(["layer"], attention)]
        ),
        structured_output_manager=StructuredOutputManager(config),
        block_size=BLOCK,
        log_stats=False,
    )
    made.use_v2_model_runner = v2
    return made


def request(number: int, chance: random.Random) -> Request:
    """One of many kinds: short and long, with stop tokens or none, now and then no plain one."""
    limit, other = chance.choice([1, 2, 5, 30, 100, 400]), chance.random() < 0.06
    length = chance.randrange(1, 40)
    prompt = [5] * length if length <= 20 else [chance.randrange(1000) for _ in range(length)]
    return made_request(
        number,
        prompt,
        limit,
        stop_token_ids=list(chance.choice([(), (7,), (7, 8)])),
        min_tokens=2 if other and limit > 2 else 0,
        output_kind=RequestOutputKind.DELTA if other else RequestOutputKind.FINAL_ONLY,
    )


def made_request(number: int, prompt: list[int], limit: int, **sampling: Any) -> Request:
    """A request as evalkit and trainkit make them, unless `sampling` says otherwise."""
    usual = {"ignore_eos": True, "detokenize": False, "output_kind": RequestOutputKind.FINAL_ONLY}
    return Request(
        request_id=f"r{number}",
        prompt_token_ids=prompt,
        sampling_params=SamplingParams(max_tokens=limit, **{**usual, **sampling}),
        pooling_params=None,
        block_hasher=get_request_block_hasher(BLOCK, get_hash_fn_by_name("sha256")),
        arrival_time=float(number),
    )


def run(kind: type, model: str, seed: int, v2: bool, groups: bool = False) -> dict[str, Any]:
    """All that a scheduler says over a workload: every step, and what became of every request."""
    chance = random.Random(seed)
    made = scheduler(
        kind, model, chance.choice([4, 16, 40]), chance.choice([40, 120, 2000]), chance.choice([64, 200]), v2
    )
    made.together = made.max_num_running_reqs // 4 if groups else 1
    numbers = range(chance.choice([10, 60]))
    arrivals = deque(sorted((chance.choice([0, 0, 0, chance.randrange(60)]), n) for n in numbers))
    requests = [request(n, chance) for n in numbers]
    aborted = {n: chance.randrange(10, 60) for n in numbers if chance.random() < 0.1}
    resets = {chance.randrange(10, 60)} if chance.random() < 0.3 else set()
    steps: list[Any] = []
    tokens: dict[str, list[int]] = {}
    ends: dict[str, Any] = {}
    under_way: deque[Any] = deque()
    while arrivals or under_way or made.has_unfinished_requests() or made.has_finished_requests():
        now = len(steps)
        while arrivals and arrivals[0][0] <= now:
            made.add_request(requests[arrivals.popleft()[1]])
        ending = [f"r{n}" for n, when in aborted.items() if when == now and f"r{n}" in made.requests]
        if now % 2:
            made.finish_requests(ending, RequestStatus.FINISHED_ABORTED)
        if now in resets:
            made.reset_prefix_cache(reset_running_requests=True)
        step = made.schedule()
        answered = answer(step, made)
        if not now % 2:  # vLLM's engine takes aborts while the model computes, too
            made.finish_requests(ending, RequestStatus.FINISHED_ABORTED)
        steps.append(step)
        if step.total_num_scheduled_tokens:
            under_way.append((step, answered))
        if len(under_way) == 2 or (under_way and not step.total_num_scheduled_tokens):
            for client in made.update_from_output(*under_way.popleft()).values():
                for output in client.outputs:
                    tokens.setdefault(output.request_id, []).extend(output.new_token_ids)
                    if output.finish_reason is not None:
                        ends[output.request_id] = (output.finish_reason.name, output.stop_reason)
    if groups:  # an abort comes at another token
        ends = {name: end for name, end in ends.items() if int(name[1:]) not in aborted}
    return {
        "steps": [facts(step) for step in steps],
        "short": sum(type(step) is DecodeSchedulerOutput for step in steps),
        "preemptions": sum(len(step.preempted_req_ids) for step in steps),
        "tokens": {name: tokens[name] for name in ends},
        "ends": ends,
        "held": getattr(made, "held", {}),
        "free": made.kv_cache_manager.block_pool.get_num_free_blocks(),
    }


def answer(step: Any, made: Any) -> ModelRunnerOutput:
    """What the model says to a step: a token to each request whose prompt is computed."""
    names = list(step.num_scheduled_tokens)
    asked = [made.requests[name] for name in names]
    sampled = [
        []
        if r.is_prefill_chunk
        else [zlib.crc32(f"{r.request_id} {r.num_computed_tokens}".encode()) % VOCABULARY]
        for r in asked
    ]
    return ModelRunnerOutput(
        req_ids=names,
        req_id_to_index={name: index for index, name in enumerate(names)},
        sampled_token_ids=sampled,
        logprobs=None,
        prompt_logprobs_dict={},
        pooler_output=[],
    )


def facts(step: Any) -> list[Any]:
    """What the model's side reads of a step."""
    cached = step.scheduled_cached_reqs
    return [
        list(step.num_scheduled_tokens.items()),
        [(new.req_id, new.block_ids, new.num_computed_tokens) for new in step.scheduled_new_reqs],
        (cached.req_ids, cached.new_block_ids, cached.num_computed_tokens, cached.num_output_tokens),
        (sorted(cached.resumed_req_ids), cached.all_token_ids, cached.new_token_ids),
        (sorted(step.finished_req_ids), sorted(step.preempted_req_ids), step.num_common_prefix_blocks),
    ]


def init_hashes() -> None:
    """vLLM's engine does so before it takes a request."""
    init_none_hash(get_hash_fn_by_name("sha256"))


def same_steps(theirs: dict[str, Any], ours: dict[str, Any], seed: int) -> None:
    """Assert that both schedulers said the same in every step."""
    for number, (their, our) in enumerate(zip(theirs["steps"], ours["steps"], strict=True)):
        assert their == our, f"seed {seed}, step {number}: vLLM's {their}, ours {our}"
    assert theirs["preemptions"] == ours["preemptions"], f"seed {seed}: preemptions"


if __name__ == "__main__":
    model, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    groups = "--groups" in sys.argv
    init_hashes()
    counts = {"steps": 0, "short": 0, "preemptions": 0, "theirs": 0}
    for seed in range(first, last):
        theirs, ours = (run(kind, model, seed, "--v2" in sys.argv, groups) for kind in KINDS)
        if not groups:
            same_steps(theirs, ours, seed)
        for part in ("tokens", "ends", "held", "free"):
            assert theirs[part] == ours[part], f"seed {seed}: {part}"
        counts["steps"] += len(ours["steps"])
        counts["theirs"] += len(theirs["steps"])
        counts["short"] += ours["short"]
        counts["preemptions"] += ours["preemptions"]
    print(json.dumps({**counts, "ran": bool(SCHEDULER_RAN[0])}))
