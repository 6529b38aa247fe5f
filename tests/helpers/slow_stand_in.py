"""An engine for workers of Ray: it answers from the prompt alone, one request after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from evalkit.engines.base import EngineOptions, Request
from evalkit.models.resolve import Model
from evalkit.records import Completion, Sampling


class SlowStandIn:
    name, version, dtype, fast_decode, copies, swapped, capacity = "slow", "1", "float32", False, 1, False, 8
    marks: tuple[str, ...] = ()

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        stop_ids: Sequence[int],
        more: Callable[[], Sequence[Request]] | None = None,
    ) -> Iterator[Completion]:
        waiting = list(requests)
        while waiting:
            request = waiting.pop(0)
            time.sleep(0.01)
            yield Completion(
                index=request.index,
                sample=request.sample,
                token_ids=(sum(request.prompt_ids), *stop_ids),
                finish_reason="stop",
            )
            waiting += more() if more else []

    def swap(self, model: Model) -> str | None:
        self.swapped = True
        return None

    def close(self) -> None: ...


def make(name: str, model: Model, options: EngineOptions) -> SlowStandIn:
    return SlowStandIn()
