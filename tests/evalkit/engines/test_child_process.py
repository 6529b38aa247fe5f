"""An engine's process ends with evalkit, and what it wrote tells why it failed.

pytest tests/evalkit/engines/test_child_process.py
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit.engines.child_process import can_bind
from evalkit.engines.redirect_output import last_error, size

FORKS = """
import multiprocessing, sys, time
from contextlib import nullcontext
from evalkit.engines.child_process import bound_children

def say(pid):
    sys.stdout.write(f"{{pid}}\\n")  # in one piece, where print may take two
    sys.stdout.flush()

def engine():
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(300,))
    worker.start()
    say(worker.pid)
    time.sleep(300)

with {context}:
    child = multiprocessing.get_context("fork").Process(target=engine)
    child.start()
say(child.pid)
time.sleep(300)
"""


def start(context: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A process whose child has a child; the ids of those two."""
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS.format(context=context)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, [int(process.stdout.readline()) for _ in range(2)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: list[int], seconds: float = 10) -> bool:
    """Whether all of them end in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(map(alive, pids)):
        time.sleep(0.02)
    return not any(map(alive, pids))


@pytest.fixture
def bound() -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    process, children = start("bound_children()")
    yield process, children
    process.kill()


def test_a_killed_evalkit_takes_its_engine_along(bound: tuple[subprocess.Popen[str], list[int]]) -> None:
    process, children = bound
    process.kill()
    assert gone(children)


def test_without_the_binding_an_engine_lives_on() -> None:
    process, children = start("nullcontext()")
    try:
        process.kill()
        assert not gone(children, seconds=1)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)


def test_ctrl_c_does_not_reach_the_engine(bound: tuple[subprocess.Popen[str], list[int]]) -> None:
    process, children = bound
    groups = {os.getpgid(pid) for pid in children}
    assert os.getpgid(process.pid) not in groups


def test_a_closed_run_is_free_while_the_engine_lives(tmp_path: Path) -> None:
    from written_runs import LOCK, MANIFEST

    from evalkit.runs.folder import RunWriter

    writer = RunWriter(tmp_path / "run", MANIFEST, LOCK)
    engine = os.fork()
    if engine == 0:
        time.sleep(300)
        os._exit(0)
    try:
        writer.close()
        RunWriter(tmp_path / "run", MANIFEST, LOCK).close()
    finally:
        os.kill(engine, signal.SIGKILL)
        os.waitpid(engine, 0)


def test_the_cause_is_the_last_error_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    assert last_error(log) is None
    log.write_text(
        "Chat template warmup failed\nValueError: Tokenizer not available when `skip_tokenizer_init=True`\n"
        "EngineCore failed to start.\nTraceback (most recent call last):\n"
        '    raise RuntimeError("x")\n'
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n[shutdown] MPClient: complete\n"
    )
    assert last_error(log) == "CUDA out of memory. Tried to allocate 2 GiB"
    before = size(log)
    assert last_error(log, before) is None, "of an earlier start"
    with log.open("a") as more:
        more.write("ValueError: another\n")
    assert last_error(log, before) == "another"


@pytest.mark.parametrize(
    ("name", "value", "can"),
    [
        ("VLLM_WORKER_MULTIPROC_METHOD", "spawn", False),
        ("VLLM_WORKER_MULTIPROC_METHOD", "fork", True),
        ("CUDA_VISIBLE_DEVICES", "MIG-1a2b", False),
        ("CUDA_VISIBLE_DEVICES", "0,1", True),
    ],
)
def test_an_engine_that_cannot_be_bound_stays_in_this_process(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, can: bool
) -> None:
    # vLLM on a CPU, loaded by an earlier test, leaves "spawn" in the environment.
    monkeypatch.delenv("VLLM_WORKER_MULTIPROC_METHOD", raising=False)
    monkeypatch.setenv(name, value)
    assert can_bind() is can
