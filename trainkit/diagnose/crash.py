"""What killed the process, read from the end of verl.log."""

from __future__ import annotations

import re

from trainkit.diagnose.finding import Finding
from trainkit.plan.disk import is_full
from trainkit.runs.folder import TrainingRun

OUT_OF_MEMORY = re.compile(r"OutOfMemoryError|CUDA out of memory|CUDA error: out of memory")
ALLOCATION = re.compile(
    r"Tried to allocate ([\d.]+ [KMG]iB)(?:.*?total capacity of ([\d.]+ [KMG]iB))?", re.DOTALL
)
HOST_MEMORY = re.compile(
    r"killed due to memory pressure|ray\.exceptions\.OutOfMemoryError"
    r"|DefaultCPUAllocator: can't allocate memory"
)
KV_CACHE = re.compile(
    r"No available memory for the cache blocks"
    r"|(?:KV cache is needed|needed for KV cache).*larger than the available KV cache memory"
)
BUSY_GPU = re.compile(r"Free memory on device[^\n]*is less than desired GPU memory utilization[^\n]*")
RAY_RESOURCES = re.compile(
    r"(?:Total available GPUs \S+ is less than|No available node types can fulfill)[^\n]*"
)
EXCEPTION = re.compile(
    r"^(?:\([^)]*\)\s*)?(?P<name>(?:\w+\.)*\w*(?:Error|Exception|Mismatch|Failed))(?:: (?P<text>.*))?$",
    re.MULTILINE,
)
TRACE_STARTS = ("Traceback (most recent call last)", "ray.exceptions.RayTaskError(")
CONSEQUENCE = re.compile(r"ActorDied|ActorUnavailable|WorkerCrashed|RayActor|Cancelled|Interrupt")
"""Exceptions of processes whose peers had gone already: never the cause."""
EXCEPTION_WEIGHT = 0.9
NO_SPACE = re.compile(r"No space left on device")

PHASES = (
    (("compute_ref_log_prob",), "the reference's log-probs", "update"),
    (("compute_log_prob",), "the old log-probs", "update"),
    (("update_actor", "train_mini_batch", "optimizer_step"), "the update of the weights", "update"),
    (("save_checkpoint",), "saving a checkpoint", "update"),
    (("wake_up", "update_weights", "load_weights"), "the weight sync to vLLM", "generation"),
    (("gpu_model_runner", "determine_available_memory", "capture_model"), "generation", "generation"),
)
"""Names of functions in a traceback, the phase they stand for, and whose number is to be turned."""


def phase_of(trace: str) -> tuple[str, str]:
    """The phase whose function stands in a traceback, and whose number to turn."""
    for names, words, knob in PHASES:
        if any(name in trace for name in names):
            return words, knob
    return "a phase that the log does not name", "update"


def trace_before(log: str, end: int) -> str:
    """The traceback that ends at a place of the log (with Ray's prefixes; at most 12,000 characters).

    Ray begins one that came from another process with its own exception, which names the actor's method.
    """
    window = log[max(0, end - 12_000) : end]
    return window[max(0, *(window.rfind(start) for start in TRACE_STARTS)) :]


def smaller(run: TrainingRun, knob: str) -> str:
    """The option to lower, with half of its present value where that is known."""
    if knob == "generation":
        share = run.options.gpu_memory
        return (
            f"Give vLLM less: --gpu-memory {share / 2:.2g}." if share else "Give vLLM less: --gpu-memory 0.3."
        )
    for name, flag in (("token_budget", "--token-budget"), ("micro_batch", "--micro-batch")):
        value = getattr(run.options, name)
        if value and value > 1:
            return (
                f"Halve it: {flag} {value // 2} (the result stays the same, more micro-batches are added up)."
            )
    return "Give --token-budget half of what `trainkit plan` shows."


def out_of_gpu_memory(run: TrainingRun, log: str) -> Finding | None:
    found = next(reversed([*OUT_OF_MEMORY.finditer(log)]), None)  # the first may be Ray's headline
    if found is None:
        return None
    words, knob = phase_of(trace_before(log, found.start()))
    allocation = ALLOCATION.search(log, found.start(), found.start() + 2_000)
    size = f"{allocation[1]} more were asked for" if allocation else "CUDA out of memory"
    capacity = f" of a GPU with {allocation[2]}" if allocation and allocation[2] else ""
    return Finding(
        cause="out-of-memory",
        sentence=f"The GPU's memory ran out in {words}.",
        evidence=size + capacity,
        option=smaller(run, knob),
        weight=1.0,
    )


def out_of_host_memory(run: TrainingRun, log: str) -> Finding | None:
    found = HOST_MEMORY.search(log)
    if found is None:
        return None
    return Finding(
        cause="out-of-host-memory",
        sentence="The machine's own memory (not the GPU's) ran out, and the system killed a process.",
        evidence=found[0],
        option="Close other programs, or lower --batch; verl needs about 12 GiB besides the model.",
        weight=1.0,
    )


def no_room_for_cache(run: TrainingRun, log: str) -> Finding | None:
    found = KV_CACHE.search(log)
    if found is None:
        return None
    share = run.options.gpu_memory
    return Finding(
        cause="out-of-memory",
        sentence="vLLM has no room for its KV cache: its share holds little more than the weights.",
        evidence=found[0],
        option=f"Give --gpu-memory {min(0.9, share * 1.5):.2g}." if share else "Give it more: --gpu-memory.",
        weight=1.0,
    )


def gpu_in_use(run: TrainingRun, log: str) -> Finding | None:
    found = BUSY_GPU.search(log)
    if found is None:
        return None
    return Finding(
        cause="gpu-in-use",
        sentence="Another process holds memory of the GPU.",
        evidence=found[0],
        option="`nvidia-smi` names it; end it, or lower --gpu-memory.",
        weight=1.0,
    )


def missing_gpus(run: TrainingRun, log: str) -> Finding | None:
    found = RAY_RESOURCES.search(log)
    if found is None:
        return None
    return Finding(
        cause="missing-gpus",
        sentence="Ray has fewer GPUs than the run asks for.",
        evidence=found[0],
        option="Lower --gpus; where another Ray is running, `ray stop` ends it.",
        weight=0.99,
    )


def disk_full(run: TrainingRun, log: str) -> Finding | None:
    """Said by the log, or by the disk itself: a full one takes no more of the log."""
    found = NO_SPACE.search(log)
    if found is None and (run.complete or not is_full(run.folder)):
        return None
    return Finding(
        cause="disk-full",
        sentence="The disk is full.",
        evidence=found[0] if found else f"nothing more can be written into {run.folder}",
        option="Remove old checkpoints, or save less often: --save-every.",
        weight=1.0 if found else 0.85,  # it may have filled up since
    )


def last_exception(run: TrainingRun, log: str) -> Finding | None:
    """Whatever ended the run: the last exception of the log."""
    at = log.rfind("Traceback (most recent call last)")
    found = [match for match in EXCEPTION.finditer(log, at) if not CONSEQUENCE.search(match["name"])]
    if at < 0 or not found or run.complete:
        return None
    text = (found[-1]["text"] or "").strip()
    return Finding(
        cause="exception",
        sentence="The run was ended by an error.",
        evidence=f"{found[-1]['name']}: {text}"[:300],
        option=f"The whole traceback is at the end of {run.folder.name}/verl.log.",
        weight=EXCEPTION_WEIGHT,
    )


CAUSES = (
    out_of_gpu_memory,
    out_of_host_memory,
    no_room_for_cache,
    gpu_in_use,
    missing_gpus,
    disk_full,
)


def explanations(run: TrainingRun) -> list[Finding]:
    """Every cause that the log names, and its last exception where none of them is certain."""
    log = run.log_tail()
    findings = [finding for cause in CAUSES if (finding := cause(run, log))]
    if not any(finding.weight > EXCEPTION_WEIGHT for finding in findings):
        findings += filter(None, [last_exception(run, log)])
    return findings
