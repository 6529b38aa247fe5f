"""What ends trainkit ends the verl that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from places import ROOT

RUN = """
import os, signal, sys
from pathlib import Path
from trainkit.launch.process import hold, run_verl

run = Path(sys.argv[1])
run.mkdir()
verl = [sys.executable, "-c", "import os, time; print('verl', os.getpid(), flush=True); time.sleep(120)"]
with hold(run) as lock:
    run_verl(verl, run, dict(os.environ), lock, lambda: None)
"""


def start(run: Path, *, deaf: bool = False) -> tuple[subprocess.Popen[str], int]:
    """A trainkit whose verl sleeps, and the number of that verl."""
    ignored = (lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) if deaf else None  # as nohup does
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(run)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=ignored,
    )
    log = run / "verl.log"
    wait_for(lambda: log.exists() and log.read_text().rstrip().rpartition("verl ")[2].isdigit())
    return process, int(log.read_text().rpartition("verl ")[2])


def wait_for(happened: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_closed_terminal_ends_a_training_as_other_signals_do(
    tmp_path: Path, number: signal.Signals
) -> None:
    trainkit, verl = start(tmp_path / "run")
    assert runs(verl)
    trainkit.send_signal(number)
    assert "KeyboardInterrupt" in trainkit.communicate(timeout=60)[1]
    assert not runs(verl)


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path: Path) -> None:
    trainkit, verl = start(tmp_path / "run", deaf=True)
    trainkit.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert trainkit.poll() is None and runs(verl)
    trainkit.kill()
    trainkit.communicate()
    wait_for(lambda: not runs(verl))  # a trainkit that is killed takes verl along
