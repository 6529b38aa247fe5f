"""The loop of a copy, in whatever process it lives: chunks of requests in, completions out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from evalkit.engines.base import Engine, Request
from evalkit.engines.copies.messages import Chunk, Made, Message, Report, Swap, Swapped


class Server:
    """Answers chunks with an engine. `send` takes what it reports; chunks, and None at the end, go into
    `inbox`, from any thread.
    """

    def __init__(self, engine: Engine, send: Callable[[Report], None]) -> None:
        self.inbox: SimpleQueue[Message | None] = SimpleQueue()
        self._engine, self._send = engine, send
        self._turn = 0
        self._left: list[Message | None] = []
        """What ends the turn: the first message that is not of it, or None."""

    def run(self) -> None:
        """Serve until None comes. Raises Failed where the engine fails."""
        while (message := self._left.pop() if self._left else self.inbox.get()) is not None:
            if isinstance(message, Chunk) and message.turn < self._turn:
                continue  # of a turn that was left; Ray may deliver it late
            if isinstance(message, Swap):
                reason = self._engine.swap(message.model)
                self._send(Swapped(reason, self._engine.swapped))
            else:
                self._answer(message)

    def _answer(self, chunk: Chunk) -> None:
        """Generate for a chunk, and for those of the same turn that come meanwhile."""
        self._turn = chunk.turn
        completions = self._engine.generate(chunk.requests, chunk.sampling, chunk.stop_ids, more=self._more)
        for completion in completions:
            self._send(Made(chunk.turn, (completion,), self._engine.fast_decode))
            if self._left:  # nobody waits for the rest
                return

    def _more(self) -> Sequence[Request]:
        """Requests of this turn that came meanwhile."""
        found: list[Request] = []
        while not self._left:
            try:
                message = self.inbox.get_nowait()
            except Empty:
                break
            if isinstance(message, Chunk) and message.turn == self._turn:
                found += message.requests
            elif not (isinstance(message, Chunk) and message.turn < self._turn):
                self._left.append(message)
        return found
