"""How long a step will take: an estimate from recorded runs, good to a factor of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainkit.plan import reference
from trainkit.plan.model_shape import ModelShape

OTHER_GPU = "A100"
"""Whose figures stand for a GPU that is not in the table."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one step has to compute. Lengths in tokens, `in_flight` sequences of one GPU at once."""

    prompts: int
    samples: int
    prompt: float
    response: float
    longest: int
    in_flight: int
    checkpointing: bool
    with_reference: bool

    @property
    def tokens(self) -> float:
        return self.prompts * self.samples * (self.prompt + self.response)


def figure(table: Mapping[str, float], gpu: str) -> float:
    """A table's figure for a GPU by a word of its name, the longest word that fits."""
    words = [word for word in table if word in gpu]
    return table[max(words, key=len)] if words else table[OTHER_GPU]


def step_on_gpus(shape: ModelShape, work: Work, gpu: str, gpus: int) -> dict[str, float]:
    """Seconds of each phase on `gpus` GPUs with a name such as "NVIDIA H200"."""
    peak = 1e12 * figure(reference.PEAK_TFLOPS, gpu) * gpus
    bandwidth = 1e12 * figure(reference.BANDWIDTH_TBS, gpu)
    sequences = work.prompts * work.samples / gpus
    together = min(sequences, work.in_flight)
    cache = 4 * shape.keys * shape.layers * together * (work.prompt + work.response / 2)
    decode = (
        reference.DECODE_STEP
        + reference.DECODE_STEP_PER_SEQUENCE * together
        + (2 * shape.parameters + cache) / bandwidth
    )
    forward = 2 * shape.parameters * work.tokens / (peak * reference.FORWARD_EFFICIENCY)
    update = 6 * shape.parameters * work.tokens / (peak * reference.UPDATE_EFFICIENCY)
    return {
        "generation": work.longest * decode * max(1.0, sequences / together),
        "old log-probs": forward,
        **({"reference": forward} if work.with_reference else {}),
        "update": update * (4 / 3 if work.checkpointing else 1),
        "hand-over": reference.HANDOVER_SECONDS,
    }


def step_on_cpu(shape: ModelShape, work: Work, cores: float) -> dict[str, float]:
    """Seconds of each phase on a CPU; prompts of one group are computed once, log-probs are vLLM's own."""
    generated = work.prompts * (work.prompt + work.samples * work.response)
    return {
        "generation": 2 * shape.parameters * generated / (1e12 * reference.CPU_GENERATION_TFLOPS * cores),
        "update": 6 * shape.parameters * work.tokens / (1e12 * reference.CPU_UPDATE_TFLOPS * cores),
        "hand-over": reference.HANDOVER_SECONDS,
    }
