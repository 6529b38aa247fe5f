"""A copy's process: load the model, then answer chunks of requests until the pipe ends.

    python -m evalkit.engines.copies.serve PIPE PARENT     (evalkit.engines.copies.processes starts it)

Started with the numbers of an inherited pipe and of its parent process.
"""

from __future__ import annotations

import os
import sys
import threading
from multiprocessing.connection import Connection

from evalkit.engines.base import EngineOptions
from evalkit.engines.child_process import die_with_parent
from evalkit.engines.copies.messages import Died, Ready
from evalkit.engines.copies.server import Server
from evalkit.engines.load import make_engine
from evalkit.engines.redirect_output import output_goes_to
from evalkit.engines.vllm_install import preload_openmp
from evalkit.engines.vllm_start import import_early
from prompts.errors import Failed, UserError


def main(pipe: Connection) -> None:
    """Load what the first message names, say so, and serve.

    A message before it holds options alone: those of a copy that was started ahead, which imports meanwhile.
    """
    asked = pipe.recv()
    if isinstance(asked, EngineOptions):
        import_early(asked)
        asked = pipe.recv()
        output_goes_to(asked.options.log)
    os.environ.update(asked.environment)
    preload_openmp()
    try:
        engine = make_engine(asked.engine, asked.model, asked.options)
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
