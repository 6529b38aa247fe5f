"""Calls of a user's function in processes of their own, with limits of time and memory.

A pool has a few workers (`function_worker.py`); one that hangs, dies or runs out of memory is killed
with all that it started, and replaced. No call raises for what the function does: it returns how it
failed. It is no sandbox: the function may do whatever the user may.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

from evalkit.grade.user_function import UserFunction
from prompts.errors import UserError

WORKER = Path(__file__).with_name("function_worker.py")
START_SECONDS = 60.0
"""What the file's own imports may take."""
WORKERS = 4
"""At most; fewer on fewer cores, two at least, so that one call that hangs does not stop the others."""
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
"""Address space is limited, and every thread of these libraries reserves some."""


@dataclass(frozen=True, slots=True)
class Returned:
    """What a call came to: `value`, or in `failure` how it failed; `printed` is the end of its output."""

    value: Any = None
    failure: str | None = None
    printed: str = ""


class FunctionPool:
    """Workers for one function. `call` may be used from many threads; close it, or use it in `with`.

    Raises UserError at the start where the file cannot be run.
    """

    def __init__(self, function: UserFunction, workers: int | None = None) -> None:
        self.function = function
        self.size = workers or min(WORKERS, max(2, os.cpu_count() or 1))
        self._free: SimpleQueue[_Worker | None] = SimpleQueue()
        self._lock = Lock()
        self._closed = False
        first = _Worker(function)
        if failure := first.start():
            raise UserError(f"{function.path} cannot be run: {failure}")
        for worker in [first, *(_Worker(function) for _ in range(self.size - 1))]:
            self._free.put(worker)

    def call(self, *arguments: Any) -> Returned:
        """Call the function with JSON values; waits for a free worker. ValueError once it is closed."""
        worker = self._free.get()
        try:
            if worker is None:
                raise ValueError("the pool of the function is closed")
            return worker.call(arguments)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """End all workers, once their calls have come back."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for _ in range(self.size):
            if worker := self._free.get():
                worker.kill()
        self._free.put(None)

    def __enter__(self) -> FunctionPool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Worker:
    """One process; it is started when it is first needed, and again after each failure that ended it."""

    def __init__(self, function: UserFunction) -> None:
        self.function = function
        self.process: subprocess.Popen[bytes] | None = None
        self.connection: Connection | None = None

    def start(self) -> str | None:
        """Start the process and load the function; says what failed."""
        ours, theirs = socket.socketpair()
        with theirs:
            os.set_inheritable(theirs.fileno(), True)
            self.process = subprocess.Popen(
                [sys.executable, "-P", str(WORKER), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**_ONE_THREAD, **os.environ},
                start_new_session=True,  # Ctrl-C is ours alone, and the whole session can be killed
            )
        self.connection = Connection(ours.detach())
        setup = {
            "source": self.function.source,
            "path": str(self.function.path),
            "function": self.function.function,
            "memory": self.function.memory_mib,
        }
        reply = self._exchange(setup, START_SECONDS)
        if failure := reply.get("error"):
            self.kill()
            return str(failure)
        return None

    def call(self, arguments: tuple[Any, ...]) -> Returned:
        if self.process is None and (failure := self.start()):
            return Returned(failure=f"the function cannot be loaded: {failure}")
        reply = self._exchange(list(arguments), self.function.seconds)
        printed = str(reply.get("printed", ""))
        if left := reply.get("left"):
            printed += f"\n[{left} processes that it left running were ended]"
        if reply.get("broken"):
            self.kill()
        failure = reply.get("error")
        return Returned(reply.get("value"), str(failure) if failure else None, printed)

    def _exchange(self, message: Any, seconds: float) -> dict[str, Any]:
        """Send and wait; a process that does not answer is killed, and the reply says so."""
        assert self.connection is not None and self.process is not None
        end = time.monotonic() + seconds
        try:
            self.connection.send_bytes(json.dumps(message).encode())
            while self.process.poll() is None:
                # The process may end while a fork of it keeps the connection open: look now and then.
                if wait([self.connection], min(0.5, max(0.0, end - time.monotonic()))):
                    return dict(json.loads(self.connection.recv_bytes()))
                if time.monotonic() >= end:
                    self.kill()
                    return {"error": f"it took more than {seconds:g} s and was ended"}
        except (EOFError, OSError, ValueError):
            pass
        return {"error": self._ended()}

    def _ended(self) -> str:
        """How the process came to its end."""
        assert self.process is not None
        process = self.process
        try:
            code = process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.kill()
            return "it closed the connection of its process"
        self.kill()
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"its process was ended by {signal.Signals(-code).name}"
        return f"it ended its process with exit code {code}"

    def kill(self) -> None:
        """End the process and all that it started."""
        if self.process is None or self.connection is None:
            return
        pid = self.process.pid
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGSTOP)  # it starts nothing while its children are looked for
        for child in _descendants(pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        self.connection.close()
        self.process = self.connection = None


def _descendants(pid: int) -> list[int]:
    """Children and theirs (Linux; elsewhere the session alone is killed)."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
                found += [int(child) for child in children]
    return found + [grandchild for child in found for grandchild in _descendants(child)]
