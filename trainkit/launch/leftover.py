"""What a killed start of a training run left behind: Ray's agents and workers, found by their environment.

`kill -9` of trainkit takes verl along, and Ray's processes follow their driver by themselves, but not all of
them always do. Each has inherited the environment of its run (`trainkit.launch.environment`).
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trainkit.plugins.switch import RUN_VARIABLE

METRICS_VARIABLE = "VERL_FILE_LOGGER_PATH"
"""Names the run: it holds the path of a file in its folder."""
PATIENCE = 5.0
"""Seconds that a process has to end before it is killed."""
_PROC = Path("/proc")


@dataclass(frozen=True)
class Leftover:
    """A process of a run whose trainkit is gone."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.pid})"


def leftovers(run: Path) -> list[Leftover]:
    """Processes of this user that a start of the run began and whose trainkit is gone; [] without /proc."""
    wanted = f"{METRICS_VARIABLE}={run.absolute() / 'verl_metrics.jsonl'}".encode()
    found = []
    for folder in _PROC.glob("[0-9]*"):
        pid = int(folder.name)
        try:
            if folder.stat().st_uid != os.getuid() or pid == os.getpid():
                continue
            environment = (folder / "environ").read_bytes().split(b"\0")
            if wanted in environment and not _is_trainkit(_started_by(environment)):
                found.append(Leftover(pid, (folder / "comm").read_text().strip()))
        except OSError:  # it ended meanwhile, or is not ours to read
            continue
    return sorted(found, key=lambda process: process.pid)


def end_leftovers(run: Path) -> list[Leftover]:
    """End what `leftovers` finds, and return it."""
    found = leftovers(run)
    if not found:
        return found
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in leftovers(run):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        until = time.monotonic() + PATIENCE
        while leftovers(run) and time.monotonic() < until:
            time.sleep(0.05)
    return found


def _started_by(environment: list[bytes]) -> int | None:
    """The process that started the run, as its environment has it."""
    prefix = f"{RUN_VARIABLE}=".encode()
    value = next((entry[len(prefix) :] for entry in environment if entry.startswith(prefix)), b"")
    return int(value) if value.isdigit() else None


def _is_trainkit(pid: int | None) -> bool:
    """Whether a process still is a trainkit, and not another one that got its number."""
    if pid is None:
        return False
    try:
        return b"trainkit" in (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
