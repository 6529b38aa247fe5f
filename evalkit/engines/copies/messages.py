"""What passes between evalkit and a copy of its engine, wherever the copy runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from evalkit.engines.base import EngineOptions, Request
from evalkit.models.resolve import Model
from evalkit.records import Completion, Sampling


@dataclass(frozen=True, slots=True)
class Load:
    """What a copy is to load: the engine's name, the model, how; and what its environment gains first."""

    engine: str
    model: Model
    options: EngineOptions
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Requests for a copy. `turn` counts the calls of `generate`: what an earlier one left is dropped."""

    turn: int
    requests: Sequence[Request]
    sampling: Sampling
    stop_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Swap:
    """Other weights for a copy that holds no requests (`Engine.swap`)."""

    model: Model


@dataclass(frozen=True, slots=True)
class Swapped:
    """The answer to `Swap`: why not, or None; and whether the weights were swapped or loaded anew."""

    reason: str | None
    swapped: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """A copy has loaded its model. `capacity`: requests that it computes at once."""

    version: str
    dtype: str
    capacity: int


@dataclass(frozen=True, slots=True)
class Made:
    """Completions of a turn, as they finished, and whether our scheduler took part (`Engine.fast_decode`)."""

    turn: int
    completions: Sequence[Completion]
    fast_decode: bool


@dataclass(frozen=True, slots=True)
class Died:
    """A copy that answers no more, and why."""

    reason: str


Message = Chunk | Swap
Report = Ready | Made | Swapped | Died


class Place(Protocol):
    """Where copies run. They are named by their numbers, 0 to `count` - 1."""

    count: int

    def label(self, copy: int) -> str:
        """A copy in words, as "copy 2 (GPU 1)"."""
        ...

    def send(self, copy: int, message: Message) -> None:
        """Hand requests, or other weights, to a copy. That it died meanwhile is said by `wait`."""
        ...

    def wait(self) -> Sequence[tuple[int, Report]]:
        """What copies report, as soon as one does. A copy that died reports it once, and last."""
        ...

    def close(self) -> None:
        """End all copies and free their memory."""
        ...
