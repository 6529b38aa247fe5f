"""Whole commands where the file system has no flock, as on Lustre mounted without `-o flock`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import TESTS

from evalkit.runs.folder import read_run

pytest.importorskip("torch")

NO_FLOCK = """
import errno, fcntl, os
def flock(descriptor, operation):
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
fcntl.flock = flock
"""
"""Loaded by each Python that the test starts."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(NO_FLOCK)
    (tmp_path / "with space").mkdir()
    return tmp_path / "with space"


def score(place: Path, seconds: float) -> subprocess.Popen[str]:
    options = "score --model smollm2-135m --task sums --limit 8 --max-tokens 8 --output run"
    path = os.pathsep.join([str(place.parent / "site"), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(TESTS / "helpers/stand_in_engine.py"), *options.split()],
        cwd=place,
        env={**os.environ, "PYTHONPATH": path, "STAND_IN_SECONDS": str(seconds)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_one_scorer_writes_and_the_next_resumes_what_a_kill_left(place: Path) -> None:
    mark = place / "run/.records.jsonl.held"
    first = score(place, 30.0)
    while not mark.exists() and first.poll() is None:
        time.sleep(0.05)
    said = score(place, 0.0).communicate()[1]  # a second one meanwhile
    assert f"run is being written by process {first.pid} on " in said and "Traceback" not in said
    first.send_signal(signal.SIGKILL)
    assert f"this file system has no locks; {mark.relative_to(place)} keeps other" in first.communicate()[1]
    assert mark.exists()
    resumed = score(place, 0.0)
    assert resumed.communicate()[1] and resumed.returncode == 0
    assert len(read_run(place / "run").records) == 8 and not mark.exists()


def test_a_hold_of_another_host_is_named_with_the_command_that_lets_it_go(place: Path) -> None:
    mark = place / "run/.records.jsonl.held"
    mark.parent.mkdir()
    mark.write_text("elsewhere 17\n")
    refused = score(place, 0.0)
    said = refused.communicate()[1]
    assert (
        refused.returncode == 2 and "process 17 on elsewhere" in said and "rm run/.records.jsonl.held" in said
    )
    subprocess.run(["rm", mark], check=True)
    done = score(place, 0.0)
    assert done.communicate()[1] and done.returncode == 0
