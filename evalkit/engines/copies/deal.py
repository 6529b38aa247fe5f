"""One engine made of copies: requests are dealt from one queue, completions come back as they finish.

A copy holds about as many requests as it computes at once, so that its batch stays full and the others find
work until the end. Only the copy that holds a request may answer it: what a dead one held goes back to the
front of the queue, and no completion is lost or taken twice.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from evalkit.engines.base import Request
from evalkit.engines.copies.messages import Chunk, Died, Made, Place, Ready, Swap, Swapped
from evalkit.models.resolve import Model
from evalkit.records import Completion, Sampling
from prompts.errors import Failed

CHUNK = 16
"""Requests that are handed to a copy at once."""
AHEAD = 2 * CHUNK
"""Requests that a copy holds beyond those it computes, so that it never waits for the next."""

Held = dict[tuple[int, int], Request]


class CopiedEngine:
    """An `Engine` whose completions are made by the copies of a `Place`."""

    def __init__(self, name: str, place: Place) -> None:
        """Wait until every copy has loaded its model; Failed where none could.

        A copy that cannot load is left out, with a sentence.
        """
        self.name = name
        self.fast_decode = self.swapped = False
        self.marks: tuple[str, ...] = ()
        self._place = place
        self._turn = 0
        self._ready: dict[int, Ready] = {}
        self._held: dict[int, Held] = {}
        starting, reason = set(range(place.count)), ""
        try:
            while starting:
                for copy, report in place.wait():
                    starting.discard(copy)
                    if isinstance(report, Ready):
                        self._ready[copy], self._held[copy] = report, {}
                    elif isinstance(report, Died):
                        self._ready.pop(copy, None)
                        self._held.pop(copy, None)
                        reason = report.reason
                        self._say(copy, reason, "the others go on" if len(starting) else "it is left out")
            if not self._ready:
                raise Failed(reason)
        except BaseException:
            place.close()
            raise
        first = next(iter(self._ready.values()))
        self.version, self.dtype = first.version, first.dtype
        self.copies = len(self._ready)
        self.capacity = sum(ready.capacity for ready in self._ready.values())

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        stop_ids: Sequence[int],
        more: Callable[[], Sequence[Request]] | None = None,
    ) -> Iterator[Completion]:
        """Deal every request, and yield completions as they finish; see `Engine.generate`.

        Raises Failed where no copy is left.
        """
        self._turn += 1
        for held in self._held.values():
            held.clear()  # of a turn that was left before its end
        waiting = deque(requests)
        while waiting or any(self._held.values()):
            self._deal(waiting, sampling, stop_ids)
            for copy, report in self._place.wait():
                if isinstance(report, Died):
                    self._bury(copy, report.reason, waiting)
                elif isinstance(report, Made) and report.turn == self._turn:
                    self.fast_decode |= report.fast_decode
                    held = self._held.get(copy, {})
                    for completion in report.completions:
                        if held.pop((completion.index, completion.sample), None) is not None:
                            yield completion
            if more is not None:
                waiting.extend(more())

    def _deal(self, waiting: deque[Request], sampling: Sampling, stop_ids: Sequence[int]) -> None:
        """Hand out chunks, always to the copy with the fewest requests for what it computes at once."""

        def load(copy: int) -> float:
            return len(self._held[copy]) / (self._ready[copy].capacity + AHEAD)

        while waiting:
            copy = min(self._held, key=load)
            if load(copy) >= 1:
                return
            chunk = [waiting.popleft() for _ in range(min(CHUNK, len(waiting)))]
            self._held[copy].update({(request.index, request.sample): request for request in chunk})
            self._place.send(copy, Chunk(self._turn, chunk, sampling, stop_ids))

    def _bury(self, copy: int, reason: str, waiting: deque[Request]) -> None:
        """Take a dead copy's requests back; Failed where it was the last."""
        left = self._held.pop(copy, {})
        waiting.extendleft(reversed(left.values()))
        if not self._held:
            many = "" if self.copies == 1 else f"; it was the last of {self.copies} copies"
            raise Failed(
                f"{self._place.label(copy)} ended with {len(waiting)} completions to go: {reason}{many}; "
                "the same command resumes here"
            )
        self._say(copy, reason, f"its {len(left)} requests go to the {len(self._held)} left")

    def swap(self, model: Model) -> str | None:
        """Swap the weights of every copy; why not, of the first that cannot."""
        waiting = set(self._held)
        for copy in waiting:
            self._place.send(copy, Swap(replace(model, lock=None)))
        while waiting:
            for copy, report in self._place.wait():
                if isinstance(report, Died | Swapped):
                    if report.reason is not None:
                        return f"{self._place.label(copy)}: {report.reason}"
                    waiting.discard(copy)
                    self.swapped = isinstance(report, Swapped) and report.swapped
        return None

    def _say(self, copy: int, reason: str, then: str) -> None:
        print(f"warning: {self._place.label(copy)} ended: {reason}; {then}", file=sys.stderr)

    def close(self) -> None:
        """End the copies."""
        self._place.close()
