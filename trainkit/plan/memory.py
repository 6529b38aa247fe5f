"""GPU memory of a training run by part, with the formula of each.

P: parameters, L: layers, h: hidden, i: MLP width, q and k: widths of all query and key heads,
V: vocabulary, T: tokens that are computed at once on a GPU, g: GPUs, all in bytes per GPU. verl's
FSDP2 keeps weights, gradients and both Adam moments in float32, shared among the GPUs, and computes
in bf16, or in float32 on a CPU without it: `number` is the bytes of a number computed with, 2 or 4.
The activations are counted tensor by tensor as transformers' Llama and Qwen2 layers save them for
the backward pass; tests/trainkit/plan/test_estimate.py compares them with what autograd really holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainkit.plan.kernels import Kernels
from trainkit.plan.model_shape import ModelShape

GIB = 2**30
CONTEXTS = 3 * GIB
"""CUDA contexts of two processes, NCCL, and vLLM's captured graphs, which stay while it sleeps."""
SAFETY = 0.94
"""Share of the free memory that a plan may fill: the allocator reserves more than it hands out."""
PRECISION = {2: "bf16", 4: "float32"}
TOKENS = {2: "T", 4: "2T"}
"""How a formula that knows activations in bf16 counts tokens: in float32 each takes at most twice as much."""
HOST_PROCESSES = 9 * GIB
"""On a CPU: Ray and about ten Python processes of verl, beside the model's own."""


@dataclass(frozen=True)
class MemoryPart:
    """One share of the memory: bytes per GPU, and how they are estimated."""

    name: str
    size: float
    formula: str


@dataclass(frozen=True)
class Phase:
    """What lies in memory at the same time in one phase of a step."""

    name: str
    parts: tuple[MemoryPart, ...]

    @property
    def size(self) -> float:
        return sum(part.size for part in self.parts)


KEPT = {True: (4, 6, 2), False: (8, 8, 6)}
"""Bytes a number that Liger's kernels, or transformers' own, keep of a norm, of an MLP, and of the norm of a
query or key; see `layer_activations`."""


def layer_activations(shape: ModelShape, liger: bool) -> int:
    """Bytes a token that one layer keeps for its backward pass (bf16, norms in float32).

    Two norms keep their input in bf16 and float32 and their output (8h each); attention keeps
    queries, keys, values and its output (4q + 4k); the MLP keeps gate, its activation, up and their
    product (8i). Normalised queries and keys are kept in both precisions (6q + 6k). Liger's norms keep no
    float32 (4h each, 2q + 2k), its MLP computes the activation again (6i).
    """
    norm, mlp, normed = KEPT[liger]
    attention = 4 * shape.queries + 4 * shape.keys
    if shape.norms_queries:
        attention += normed * (shape.queries + shape.keys)
    return 2 * norm * shape.hidden + attention + mlp * shape.intermediate


def layer_formula(shape: ModelShape, liger: bool) -> str:
    """What `layer_activations` counts, in letters."""
    norm, mlp, normed = KEPT[liger]
    queries = f" + {normed}q + {normed}k" if shape.norms_queries else ""
    return f"{2 * norm}h + 4q + 4k{queries} + {mlp}i"


def activations(shape: ModelShape, tokens: int, checkpointing: bool, liger: bool, number: int) -> MemoryPart:
    """What the forward pass of `tokens` tokens leaves for the backward pass, logits left out."""
    layer, formula, (norm, _, _) = layer_activations(shape, liger), layer_formula(shape, liger), KEPT[liger]
    last = norm * shape.hidden
    tokens *= number // 2
    if checkpointing:
        size = tokens * (2 * shape.hidden * shape.layers + layer + last)
        return MemoryPart("activations", size, f"{TOKENS[number]} (2hL + one layer of {formula}, + {norm}h)")
    size = tokens * (layer * shape.layers + last)
    return MemoryPart("activations", size, f"{TOKENS[number]} (L ({formula}) + {norm}h)")


def weights(shape: ModelShape, gpus: int, trained: float = 1.0) -> tuple[MemoryPart, MemoryPart, MemoryPart]:
    """Weights, optimizer and gradients of the trainer; `trained` is the share of P that learns (LoRA)."""
    parameters, learns = shape.parameters / gpus, trained * shape.parameters / gpus
    share = "" if trained == 1.0 else f" x {trained:.3f} (LoRA)"
    return (
        MemoryPart("weights, float32", 4 * parameters, "4P / g"),
        MemoryPart("optimizer, Adam", 8 * learns, "8P / g" + share),
        MemoryPart("gradients, float32", 4 * learns, "4P / g" + share),
    )


def gathered(shape: ModelShape, gpus: int, number: int) -> MemoryPart:
    """The copy that is computed with: whole on one GPU, two layers at a time on several."""
    name, precision = "weights, gathered", PRECISION[number]
    if gpus == 1:
        return MemoryPart(name, number * shape.parameters, f"{number}P, {precision}")
    head = shape.vocabulary * shape.hidden
    per_layer = max(0, shape.parameters - head) / shape.layers
    return MemoryPart(name, number * (head + 2 * per_layer), f"{number} (Vh + two layers), {precision}")


def beside(shape: ModelShape, gpus: int, reference: bool, critic: bool) -> tuple[MemoryPart, ...]:
    """What lies in memory all the time: the CUDA contexts, a reference under --kl, the critic of PPO."""
    parts = [MemoryPart("CUDA contexts, graphs", CONTEXTS, "3 GiB, measured")]
    if reference:
        parts.append(MemoryPart("reference, float32", 4 * shape.parameters / gpus, "4P / g"))
    if critic:
        parts.append(MemoryPart("critic with optimizer", 16 * shape.parameters / gpus, "16P / g"))
    return tuple(parts)


def update(
    shape: ModelShape,
    tokens: int,
    gpus: int,
    checkpointing: bool,
    kernels: Kernels,
    trained: float,
    number: int,
) -> Phase:
    """The backward pass at its beginning: all activations and the logits are there."""
    copies = number * (1 if kernels.flash_attention else 3)
    logits = f"{copies}VT" + ("" if kernels.flash_attention else " (logits, log-softmax, gradient)")
    head = (number + 4) * shape.vocabulary * shape.hidden * (trained == 1.0)
    return Phase(
        "update",
        (
            *weights(shape, gpus, trained),
            gathered(shape, gpus, number),
            activations(shape, tokens, checkpointing, kernels.liger, number),
            MemoryPart("logits", copies * shape.vocabulary * tokens, logits),
            MemoryPart(
                "gradient of the head",
                head,
                "6Vh (bf16 and float32)" if number == 2 else "8Vh (float32, twice)",
            ),
        ),
    )


def log_probs(
    shape: ModelShape, tokens: int, gpus: int, kernels: Kernels, trained: float, number: int
) -> Phase:
    """The forward pass for log-probs and their entropy: no gradients, three times the logits."""
    kept, optimizer, _ = weights(shape, gpus, trained)
    return Phase(
        "old log-probs",
        (
            kept,
            optimizer,
            gathered(shape, gpus, number),
            MemoryPart(
                "one layer",
                number // 2 * tokens * layer_activations(shape, kernels.liger),
                f"{TOKENS[number]} x one layer",
            ),
            MemoryPart(
                "logits",
                3 * number * shape.vocabulary * tokens,
                f"{3 * number}VT (logits, softmax, their product)",
            ),
        ),
    )


def vllm_weights(shape: ModelShape, tp: int, number: int) -> MemoryPart:
    """The model as vLLM holds it, shared among `tp` GPUs."""
    return MemoryPart(
        "vLLM's weights", number * shape.parameters / tp, f"{number}P / tp, {PRECISION[number]}"
    )


def generation(shape: ModelShape, own: MemoryPart, cache: MemoryPart, gpus: int, trained: float) -> Phase:
    """The rollouts: vLLM awake, its weights and KV cache beside the idle trainer."""
    kept, optimizer, _ = weights(shape, gpus, trained)
    return Phase("generation", (kept, optimizer, own, cache))


def cache_per_token(shape: ModelShape, tp: int, number: int) -> float:
    """Bytes of KV cache a token: keys and values of all layers."""
    return 2 * number * shape.keys * shape.layers / tp


def lora_share(shape: ModelShape, rank: int) -> float:
    """The share of the parameters that a LoRA adapter of all linear layers adds; 1 without LoRA."""
    if not rank:
        return 1.0
    h, i, q, k = shape.hidden, shape.intermediate, shape.queries, shape.keys
    per_layer = rank * ((h + q) + 2 * (h + k) + (q + h) + 3 * (h + i))
    return shape.layers * per_layer / shape.parameters
