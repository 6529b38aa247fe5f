"""`trainkit plan`: does it fit, and how long will it take, known before anything starts.

`estimate` works out batch, memory by part and time; `check_fits` refuses what would run out of
memory and says what would not. Where no token budget is given the largest that fits is chosen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from evalkit.machine import Gpu
from prompts.errors import UserError
from trainkit.algorithms import NEEDS_CRITIC
from trainkit.data.select import Selected
from trainkit.options import Options
from trainkit.plan import memory, reference
from trainkit.plan.batch import Batch, check_batch, micro_batch
from trainkit.plan.duration import Work, step_on_cpu, step_on_gpus
from trainkit.plan.kernels import Kernels
from trainkit.plan.memory import GIB, SAFETY, MemoryPart, Phase
from trainkit.plan.model_shape import ModelShape

BUDGET_STEP = 1024
"""Token budgets are multiples of this."""
LARGEST_BUDGET = 65536
"""More tokens at once make no GPU faster."""
COMFORTABLE_BUDGET = 8192
"""Below this many tokens at once activations are recomputed instead (gradient checkpointing)."""
USUAL_RESPONSE = 0.55
"""Mean response length as a share of the limit, where nothing better is known (293 of 512, measured)."""
MOST_SEQUENCES = 1024
"""What vLLM computes at once where --max-seqs does not say (trainkit/launch/draw_settings.py)."""
WORK_SPACE = 2 * GIB
"""What vLLM needs beside weights and KV cache."""


@dataclass(frozen=True, kw_only=True)
class EstimateFor:
    """What a plan is made for. Lengths in tokens.

    `gpu` is the smallest of the GPUs that will be used, None on a CPU; `gpus` their number on all
    nodes. `mean_prompt` is the usual length of a prompt. `cores` are the machine's, which do the work
    where there is no GPU; `float32` says that it computes in float32, which takes twice the room of bf16.
    """

    options: Options
    shape: ModelShape
    prompt_length: int
    response_length: int
    mean_prompt: float
    steps: int
    gpu: Gpu | None
    gpus: int
    cores: int
    kernels: Kernels
    float32: bool
    assumed: tuple[str, ...] = ()
    """What is not known and was assumed, in words."""
    selected: Selected | None = None

    @property
    def room(self) -> int:
        return self.prompt_length + self.response_length

    @property
    def mean_tokens(self) -> float:
        return self.mean_prompt + USUAL_RESPONSE * self.response_length


@dataclass(frozen=True, kw_only=True)
class RunEstimate:
    """What a start will do. `phases` are memory in bytes per GPU, `seconds` those of one step."""

    request: EstimateFor
    batch: Batch
    token_budget: int
    gradient_checkpointing: bool
    phases: tuple[Phase, ...]
    capacity: float
    cache_tokens: int
    seconds: dict[str, float]

    @property
    def peak(self) -> Phase:
        return max(self.phases, key=lambda phase: phase.size)

    @property
    def trainer_peak(self) -> float:
        """Bytes that verl reports as max_memory_allocated_gb: the trainer's process, without its context."""
        beside = {"CUDA contexts, graphs", "vLLM", "Ray and verl"}
        sizes = [
            sum(part.size for part in phase.parts if part.name not in beside) for phase in self.phases[1:]
        ]
        return max(sizes)

    @property
    def step_seconds(self) -> float:
        return sum(self.seconds.values())

    @property
    def fits(self) -> bool:
        return self.peak.size <= SAFETY * self.capacity and self.cache_tokens >= self.request.room


def estimate(request: EstimateFor) -> RunEstimate:
    """Estimate a run; UserError where the batch cannot be shared among the GPUs. It may not fit."""
    options = request.options
    check_batch(options, request.gpus)
    if request.gpu and not options.micro_batch and 0 < (options.token_budget or 0) < request.room:
        raise UserError(
            f"--token-budget {options.token_budget} holds not even one prompt and response; "
            f"give at least {request.room}"
        )
    budget, checkpointing = choose_budget(request)
    return RunEstimate(
        request=request,
        batch=Batch(
            prompts=options.batch,
            samples=options.samples,
            mini_batch=options.mini_batch,
            gpus=request.gpus,
            micro_batch=micro_batch(options, request.room, budget, request.gpus),
            token_budget=budget,
        ),
        token_budget=budget,
        gradient_checkpointing=checkpointing,
        phases=phases(request, budget, checkpointing),
        capacity=capacity(request),
        cache_tokens=cache_tokens(request),
        seconds=step_seconds(request, checkpointing),
    )


def capacity(request: EstimateFor) -> float:
    """Bytes that a run may use: what is free on the GPU, or the machine's memory where there is none."""
    if request.gpu:
        return request.gpu.free_mib * 2.0**20
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def vllm_memory(request: EstimateFor) -> float:
    """Bytes that vLLM takes: its share of a GPU's whole memory; weights and 1 GiB of cache on a CPU."""
    if request.gpu:
        return request.options.gpu_memory * request.gpu.total_mib * 2.0**20
    return float(_number(request) * request.shape.parameters + GIB)


def vllm_parts(request: EstimateFor) -> tuple[MemoryPart, MemoryPart]:
    """What vLLM's memory holds: its weights, and the rest."""
    own = memory.vllm_weights(request.shape, request.options.tp, _number(request))
    rest = f"gpu-memory x GPU - {_number(request)}P / tp" if request.gpu else "1 GiB"
    room = max(0.0, vllm_memory(request) - own.size)
    return own, MemoryPart("vLLM's KV cache and work space", room, rest)


def cache_tokens(request: EstimateFor) -> int:
    """Tokens that vLLM's KV cache holds."""
    _, rest = vllm_parts(request)
    room = rest.size - (WORK_SPACE if request.gpu else 0)
    return max(0, int(room / memory.cache_per_token(request.shape, request.options.tp, _number(request))))


def _number(request: EstimateFor) -> int:
    """Bytes of a number that is computed with."""
    return 4 if request.float32 else 2


def phases(request: EstimateFor, budget: int, checkpointing: bool) -> tuple[Phase, ...]:
    """Memory of each phase of a step, with everything that lies beside it."""
    options, shape, gpus = request.options, request.shape, request.gpus
    trained = memory.lora_share(shape, options.lora_rank)
    tokens, number = tokens_at_once(request, budget), _number(request)
    made: tuple[Phase, ...] = (
        memory.generation(shape, *vllm_parts(request), gpus, trained),
        memory.log_probs(shape, tokens, gpus, request.kernels, trained, number),
        memory.update(shape, tokens, gpus, checkpointing, request.kernels, trained, number),
    )
    beside = memory.beside(shape, gpus, options.kl > 0, options.algorithm in NEEDS_CRITIC)
    if request.gpu is None:  # everything stays in the machine's memory, and vLLM never sleeps
        awake = MemoryPart("vLLM", vllm_memory(request), f"{number}P + 1 GiB of KV cache")
        beside = (MemoryPart("Ray and verl", memory.HOST_PROCESSES, "9 GiB, measured"), *beside[1:])
        made = (made[0], *(replace(phase, parts=(*phase.parts, awake)) for phase in made[1:]))
    return tuple(replace(phase, parts=(*phase.parts, *beside)) for phase in made)


def tokens_at_once(request: EstimateFor, budget: int) -> int:
    """The most tokens that one forward and backward pass of a GPU holds."""
    options = request.options
    if options.micro_batch:
        return options.micro_batch * request.room
    return min(budget, options.mini_batch * options.samples // request.gpus * request.room)


def choose_budget(request: EstimateFor) -> tuple[int, bool]:
    """The token budget, and whether activations are recomputed.

    A given budget or micro-batch stands; recomputing is chosen where it does not fit without. Else
    the largest budget that fits is taken, without recomputing where that leaves a comfortable one.
    """
    options = request.options
    if options.micro_batch or options.token_budget or request.gpu is None:
        budget = options.token_budget or max(request.room, COMFORTABLE_BUDGET)
        return budget, not holds(request, budget, False) and holds(request, budget, True)
    whole = options.mini_batch * options.samples // request.gpus * request.room
    top = min(LARGEST_BUDGET, -(-whole // BUDGET_STEP) * BUDGET_STEP)
    least = -(-request.room // BUDGET_STEP) * BUDGET_STEP
    for checkpointing, floor in ((False, min(top, max(least, COMFORTABLE_BUDGET))), (True, least)):
        for budget in range(max(top, floor), floor - 1, -BUDGET_STEP):
            if holds(request, budget, checkpointing):
                return budget, checkpointing
    return least, True


def holds(request: EstimateFor, budget: int, checkpointing: bool) -> bool:
    """Whether the two phases of the trainer fit with this budget (generation does not depend on it)."""
    trainer = phases(request, budget, checkpointing)[1:]
    return max(phase.size for phase in trainer) <= SAFETY * capacity(request)


def step_seconds(request: EstimateFor, checkpointing: bool) -> dict[str, float]:
    """Estimated seconds of each phase of a step."""
    options = request.options
    most = options.max_seqs or MOST_SEQUENCES
    work = Work(
        prompts=options.batch,
        samples=options.samples,
        prompt=request.mean_prompt,
        response=USUAL_RESPONSE * request.response_length,
        longest=request.response_length,
        in_flight=max(1, min(most, int(cache_tokens(request) / request.mean_tokens))),
        checkpointing=checkpointing,
        with_reference=options.kl > 0,
    )
    if request.gpu is None:
        speed = reference.CPU_FLOAT32 if request.float32 else 1.0
        return step_on_cpu(request.shape, work, speed * request.cores)
    return step_on_gpus(request.shape, work, request.gpu.name, request.gpus)


def check_fits(plan: RunEstimate) -> None:
    """Refuse a plan that would run out of memory; the message says what would fit."""
    if plan.fits:
        return
    request, peak = plan.request, plan.peak
    have = f"{plan.capacity / GIB:.0f} GiB" + (" of the GPU are free" if request.gpu else " of this machine")
    if peak.size > SAFETY * plan.capacity:
        largest = max(peak.parts, key=lambda part: part.size)
        problem = (
            f"{peak.name} needs {peak.size / GIB:.0f} GiB ({largest.name}: {largest.size / GIB:.0f}), {have}"
        )
    else:
        problem = (
            f"vLLM's KV cache would hold {plan.cache_tokens:,} tokens, "
            f"less than one prompt and response ({request.room:,})"
        )
    raise UserError(f"{problem}; {what_fits(request)}; `trainkit plan` shows the parts")


def what_fits(request: EstimateFor) -> str:
    """The smallest change of the options that fits, in words."""
    for words, changed in changes(request):
        try:
            if estimate(changed).fits:
                return f"it fits with {words}"
        except UserError:
            continue  # this change cannot be shared among the GPUs
    return "no setting of this model fits here: take a smaller model or more GPUs"


def changes(request: EstimateFor) -> Iterator[tuple[str, EstimateFor]]:
    """Changes to try, the least painful first."""
    options = request.options

    def given(**values: object) -> EstimateFor:
        return replace(request, options=replace(options, **values))  # type: ignore[arg-type]

    if options.micro_batch:
        size = options.micro_batch // 2
        while size:
            yield f"--micro-batch {size}", given(micro_batch=size)
            size //= 2
    budget = (options.token_budget or 0) // 2
    while budget >= request.room:
        yield f"--token-budget {budget}", given(token_budget=budget)
        budget //= 2
    shares = [share / 20 for share in range(18, 1, -1)]
    for share in sorted(shares, key=lambda share: abs(share - options.gpu_memory)):
        yield f"--gpu-memory {share:g}", given(gpu_memory=share)
    if request.gpu:
        for gpus in (2, 4, 8):
            if gpus > request.gpus:
                yield f"--gpus {gpus}", replace(request, gpus=gpus)
    if not options.lora_rank:
        yield "--lora-rank 32", given(lora_rank=32)
        for share in shares:
            yield f"--lora-rank 32 --gpu-memory {share:g}", given(lora_rank=32, gpu_memory=share)
