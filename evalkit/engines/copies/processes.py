"""Copies as processes of this machine, each with GPUs of its own, over pipes.

Each is a fresh Python (`evalkit.engines.copies.serve`), since a process that has opened CUDA cannot be
forked, and a script of the user's should not be run again. It ends when this process does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import connection
from pathlib import Path
from typing import Any

from evalkit.engines.base import EngineOptions
from evalkit.engines.copies.ahead import end_surplus, start, take
from evalkit.engines.copies.messages import Died, Load, Message, Report
from evalkit.engines.redirect_output import last_error, size
from evalkit.models.resolve import Model

ENDS = 10.0
"""Seconds that copies get to free their memory before they are killed."""


class Processes:
    """A `Place` on this machine: a process for each of `slots` (see `slots_of`)."""

    def __init__(self, name: str, model: Model, options: EngineOptions, slots: Sequence[str | None]) -> None:
        self.count = len(slots)
        self._slots = slots
        self._logs = [log_of(options.log, copy) for copy in range(self.count)]
        self._starts = [size(log) for log in self._logs]
        self._pipes: dict[int, Any] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        for copy, log in enumerate(self._logs):
            started = take(slots[copy]) or start(log)
            self.processes.append(started.process)
            self._pipes[copy] = started.pipe
            own = replace(options, log=log, gpus=None, copies=1)
            environment = _environment(slots[copy], self.count)
            with contextlib.suppress(OSError):  # it died at once: `wait` says so
                started.pipe.send(Load(name, replace(model, lock=None), own, environment))
        end_surplus()

    def label(self, copy: int) -> str:
        """A copy in words, as "copy 2 (GPU 1)"."""
        gpus = self._slots[copy]
        return f"copy {copy + 1}" + (f" (GPU {gpus})" if gpus else "")

    def send(self, copy: int, message: Message) -> None:
        """Hand requests, or other weights, to a copy; that it died meanwhile is said by `wait`."""
        with contextlib.suppress(OSError):
            self._pipes[copy].send(message)

    def wait(self) -> Sequence[tuple[int, Report]]:
        """What copies report, as soon as one does; a pipe that ends is a copy that died."""
        copies = {pipe: copy for copy, pipe in self._pipes.items()}
        reports: list[tuple[int, Report]] = []
        for pipe in connection.wait(list(copies)):
            copy = copies[pipe]
            try:
                report: Report = self._pipes[copy].recv()
            except (EOFError, OSError):
                report = Died(self._reason(copy))
            if isinstance(report, Died):
                self._pipes.pop(copy).close()
            reports.append((copy, report))
        return reports

    def _reason(self, copy: int) -> str:
        """Why a process ended without a word: its log's last error, else its signal or exit code."""
        try:
            code = self.processes[copy].wait(ENDS)
        except subprocess.TimeoutExpired:
            return "it closed its pipe and does not end"
        if code < 0:
            return f"its process was killed ({signal.Signals(-code).name})"
        error = last_error(self._logs[copy], self._starts[copy])
        return error or f"its process ended with exit code {code}; its output is in {self._logs[copy]}"

    def close(self) -> None:
        """Let each copy free its memory and end; one that does not is killed."""
        for pipe in self._pipes.values():
            with contextlib.suppress(OSError):
                pipe.send(None)
        deadline = time.monotonic() + ENDS
        for process in self.processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pipe in self._pipes.values():
            pipe.close()
        self._pipes.clear()


def log_of(log: Path | None, copy: int) -> Path | None:
    """The log of a copy: engine.log of the first, then engine.2.log and so on."""
    return log if log is None or copy == 0 else log.with_suffix(f".{copy + 1}{log.suffix}")


def _environment(gpus: str | None, copies: int) -> dict[str, str]:
    """What the environment of a copy gains: its GPUs, or its share of the cores."""
    if gpus is not None:
        return {"CUDA_VISIBLE_DEVICES": gpus}
    if "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // copies))}
