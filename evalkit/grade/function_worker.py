"""The process that runs a function of the user's: a script of its own, which imports nothing of ours.

Started by `evalkit.grade.function_pool` as `python -P function_worker.py FD`. It reads one message
with the source, the function's name and the memory limit, then lists of arguments; each is answered
with what the function returned or how it failed. This is no sandbox: it keeps mistakes in bounds.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

LONGEST = 100_000
"""Characters of a returned value or message that are sent back."""
PRINTED = 2_000
"""Characters kept of what a call printed: its end."""
LARGEST_FILE = 64 * 2**20
"""Bytes of the largest file, and so of what one call may print."""


def main(fd: int) -> None:
    """Answer calls until the other side closes."""
    connection = Connection(fd)
    _end_with_parent(fd)
    printed = _capture()
    me = os.getpid()
    setup = json.loads(connection.recv_bytes())
    _limit(setup["memory"])
    try:
        function = _load(setup["source"], setup["path"], setup["function"])
    except BaseException as error:
        _only(me)
        _send(connection, {"error": _said(error), "printed": _read(printed)})
        return
    _send(connection, {"ready": True, "printed": _read(printed)})
    while True:
        try:
            arguments = json.loads(connection.recv_bytes())
        except EOFError:
            return
        try:
            reply = _returned(function(*arguments))
        except BaseException as error:  # whatever it raises, SystemExit too, is an answer
            reply = {"error": _said(error), "broken": isinstance(error, MemoryError)}
        _only(me)
        _send(connection, {**reply, "left": _end_children(), "printed": _read(printed)})


def _load(source: str, path: str, name: str) -> Any:
    space: dict[str, Any] = {"__name__": "user_function", "__file__": path}
    exec(compile(source, path, "exec"), space)  # what was hashed, not what lies there now
    function = space.get(name)
    if not callable(function):
        raise TypeError(f"{name} is {type(function).__name__}, no function")
    return function


def _plain(value: Any) -> Any:
    """The number that a scalar of numpy or torch is; TypeError for anything else."""
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        return value.item()
    raise TypeError


def _returned(value: Any) -> dict[str, Any]:
    try:
        text = json.dumps(value, default=_plain)
    except (TypeError, ValueError, RecursionError):
        return {"error": f"it returned {type(value).__name__}, which has no JSON form"}
    if len(text) > LONGEST:
        return {"error": f"it returned {len(text):,} characters; {LONGEST:,} are allowed"}
    return {"value": json.loads(text)}


def _said(error: BaseException) -> str:
    """Type, message and line of an error, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((f" (line {frame.lineno})" for frame in reversed(frames) if frame.filename != __file__), "")
    try:
        message = " ".join(str(error).split())[:500]
    except BaseException:
        message = "its message cannot be printed"
    return f"{type(error).__name__}{': ' if message else ''}{message}{line}"


def _send(connection: Connection, reply: dict[str, Any]) -> None:
    connection.send_bytes(json.dumps(reply).encode())


def _only(pid: int) -> None:
    """End a copy of this process that the function forked and let return."""
    if os.getpid() != pid:
        os._exit(0)


def _limit(mebibytes: int) -> None:
    size = mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


def _capture() -> int:
    """Send standard output and error into a file without a name; returns its descriptor."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("printed")
    else:
        import tempfile

        handle, name = tempfile.mkstemp()
        os.unlink(name)
        file = handle
    os.set_inheritable(file, True)
    os.dup2(file, 1)
    os.dup2(file, 2)
    return file


def _read(printed: int) -> str:
    """The end of what was printed since the last call; the file is emptied."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    size = os.lseek(printed, 0, os.SEEK_END)
    text = os.pread(printed, PRINTED, max(0, size - PRINTED)).decode(errors="replace") if size else ""
    os.ftruncate(printed, 0)
    os.lseek(printed, 0, os.SEEK_SET)
    return text


def _end_with_parent(fd: int) -> None:
    """End this session when the parent is gone, also while a call hangs; take in orphaned grandchildren."""

    def wait() -> None:
        poll = select.poll()
        poll.register(fd, 0)  # only the hang-up
        poll.poll()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _end_children() -> int:
    """Kill processes that a call left running; returns how many there were."""
    killed = 0
    for _ in range(100):
        try:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue  # one that had ended
        except ChildProcessError:
            return killed
        for child in _children():
            killed += 1
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
    return killed


def _children() -> list[int]:
    found = []
    for thread in os.listdir("/proc/self/task") if os.path.isdir("/proc/self/task") else []:
        with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/children") as file:
            found += [int(pid) for pid in file.read().split()]
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]))
