"""Engines turn prompt token ids into completions, each handed over as it finishes.

They get ids and give ids: text is made by `prompts.tokens.decode` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from evalkit.records import Completion, Sampling

if TYPE_CHECKING:  # `--help` asks for the options here, and needs no model
    from evalkit.models.resolve import Model


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """How an engine is set up. None of it may change what a greedy model says, beyond rounding."""

    gpu_memory: float = 0.9
    """Share of each GPU's memory that vLLM may take."""
    tp: int = 1
    """GPUs that the model of one copy is split over."""
    gpus: int | None = None
    """GPUs to use, `tp` of them a copy; None: all that are visible."""
    copies: int | None = None
    """Copies of the engine, each in a process of its own; None: as many as the GPUs hold, one on a CPU."""
    ray: str | None = None
    """Ray cluster that holds the copies: "auto" or an address; None: this machine."""
    completions: int | None = None
    """How many will be asked for, where that is known: for a few no second copy is started unasked."""
    max_model_len: int | None = None
    """Positions for prompt and completion together; None: as the model says."""
    dtype: str = "auto"
    """Number format of weights and activations; auto: as the model's config says, float32 where a CPU
    has no bf16."""
    batch_invariant: bool = False
    """vLLM's switch for results that do not depend on what else is in the batch (GPU only, slower)."""
    trust_remote_code: bool = False
    base_url: str | None = None
    """Address of a server with OpenAI's API, for the engine openai alone."""
    served_model: str | None = None
    """Name under which that server has the model; None: the only one that it has."""
    allow_unproven: bool = False
    """Whether a server may be used that does not say which token ids it read."""
    swappable: bool = False
    """Whether other weights will be wanted in the same engine (`Engine.swap`)."""
    log: Path | None = None
    """File for the engine's own output; None: it goes nowhere."""


def number_format(dtype: str, device: str) -> str:
    """The number format to load in on a device (cpu, cuda); see `EngineOptions.dtype`."""
    from evalkit.machine import computes_in_float32

    return "float32" if dtype == "auto" and computes_in_float32(device) else dtype


@dataclass(frozen=True, kw_only=True)
class Request:
    """One completion that is wanted. `index` and `sample` come back with it."""

    index: int
    sample: int
    prompt_ids: Sequence[int]
    seed: int


class Engine(Protocol):
    """A loaded model. `name`, `version` and `dtype`, in which it computes, go into the manifest, and so do
    `copies`, of which each holds the whole model, and `fast_decode`: whether vLLM was run with our scheduler
    (evalkit/engines/fast_decode.py) so far. `capacity` is how many requests it computes at once,
    `swapped` whether its weights came by `swap`, `marks` what the result must say for ever.
    """

    name: str
    version: str
    dtype: str
    copies: int
    capacity: int
    swapped: bool
    marks: tuple[str, ...]

    @property
    def fast_decode(self) -> bool: ...

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        stop_ids: Sequence[int],
        more: Callable[[], Sequence[Request]] | None = None,
    ) -> Iterator[Completion]:
        """Yield each completion as it finishes, in any order. `more` is asked at every step for requests
        that have come meanwhile, and does not wait for any.

        A request that fails by itself gives a completion with finish reason "error"; Failed is
        raised where the engine as a whole does.
        """
        ...

    def swap(self, model: Model) -> str | None:
        """Put another model's weights in the place of those that are loaded, while nothing is generated.

        Gives why that cannot be done or not be proven; the engine must then be closed and another be
        loaded. None where all weights are the model's.
        """
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...
