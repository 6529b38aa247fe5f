"""A copy's process: load the model, then answer chunks of requests until the pipe ends.

    python -m evalkit.engines.copies.serve PIPE PARENT     (evalkit.engines.copies.processes starts it)

Started with the numbers of an inherited pipe and of its parent process.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue

from evalkit.engines.base import Engine, Request
from evalkit.engines.child_process import die_with_parent
from evalkit.engines.copies.messages import Chunk, Died, Made, Message, Ready, Report, Swap, Swapped
from evalkit.engines.load import make_engine
from evalkit.engines.vllm_install import preload_openmp
from prompts.errors import Failed, UserError


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


def main(pipe: Connection) -> None:
    """Load what the first message names, say so, and serve."""
    preload_openmp()
    name, model, options = pipe.recv()
    try:
        engine = make_engine(name, model, options)
    except (UserError, Failed) as error:
        pipe.send(Died(str(error)))
        return
    pipe.send(Ready(engine.version, engine.dtype, engine.capacity))
    server = Server(engine, pipe.send)

    def receive() -> None:
        """Take chunks at once, so that the other side never waits to send one."""
        try:
            while True:
                server.inbox.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(1)  # evalkit is gone

    threading.Thread(target=receive, daemon=True, name="requests").start()
    try:
        server.run()
    except Failed as error:
        pipe.send(Died(str(error)))
    engine.close()


if __name__ == "__main__":
    die_with_parent(int(sys.argv[2]))
    main(Connection(int(sys.argv[1])))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # Python's teardown after vLLM takes seconds
