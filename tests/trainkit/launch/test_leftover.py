"""What a killed start left is found by its environment and ended; nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainkit.launch.leftover import METRICS_VARIABLE, end_leftovers, leftovers
from trainkit.plugins.switch import RUN_VARIABLE

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def start(run: Path, by: int, *, stubborn: bool = False) -> subprocess.Popen[bytes]:
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " if stubborn else ""
    environment = {METRICS_VARIABLE: str(run / "verl_metrics.jsonl"), RUN_VARIABLE: str(by)}
    process = subprocess.Popen(
        [sys.executable, "-c", f"{ignore}import time; print(1, flush=True); time.sleep(60)"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
    )
    assert process.stdout and process.stdout.readline()
    return process


def test_only_what_a_dead_trainkit_of_this_run_began(
    tmp_path: Path, gone: int, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainkit.launch.leftover.PATIENCE", 0.5)
    mine, other = tmp_path / "run", tmp_path / "run2"
    living = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "trainkit"])
    started += [
        start(mine, gone),
        start(mine, gone, stubborn=True),
        start(mine, living.pid),
        start(other, gone),
        living,
    ]
    wanted = sorted(process.pid for process in started[:2])
    assert [left.pid for left in leftovers(mine)] == wanted
    assert "python" in str(leftovers(mine)[0])
    assert [left.pid for left in end_leftovers(mine)] == wanted
    assert [process.wait(5) for process in started[:2]] == [-15, -9]
    assert [process.poll() for process in started[2:]] == [None, None, None]
    assert leftovers(mine) == end_leftovers(mine) == []
