"""`kill -9` of real `evalkit score` processes: no row lost, none twice, finished rows byte-identical.

    pytest tests/evalkit/score/test_kill.py

A start of the real vLLM takes 20 s and more. It is killed once here; the stages of a run are gone through
with an engine that answers at once (tests/helpers/stand_in_engine.py), and with vLLM in `make slow`. That a
file cut off at any byte resumes is tested byte by byte in tests/evalkit/runs/test_folder.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from killed_scores import group_members, lines, whole_lines
from places import TESTS

from evalkit.runs.folder import Run, read_run

PROGRAMS = {
    "vllm": ["-c", "from evalkit.cli.app import main; main()"],
    "stand-in": [str(TESTS / "helpers/stand_in_engine.py")],
}
ROWS = 96
COMMAND = [
    "score",
    "--model",
    "smollm2-135m",
    "--task",
    "sums",
    "--prompt",
    "sums-question",
    "--limit",
    str(ROWS),
]


def start(folder: Path, engine: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *PROGRAMS[engine], *COMMAND, "--max-tokens", "48", "--output", str(folder / "run")],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def tokens_in(written: bytes) -> int:
    return sum(json.loads(line)["completion_tokens"] for line in written.splitlines())


def stop_when(
    folder: Path, engine: str, moment: Callable[[], bool], by: signal.Signals = signal.SIGKILL
) -> bytes:
    """Start the command, stop it at the moment, and return what it had written in whole lines."""
    process = start(folder, engine)
    while not moment():
        assert process.poll() is None, process.communicate()[0].decode()
        time.sleep(0.002)
    process.send_signal(by)
    output = process.communicate(timeout=120)[0].decode()
    if by == signal.SIGINT:
        assert process.returncode == 130 and "Traceback" not in output, output
        assert "the same command resumes here" in output
    assert not group_members(process.pid), "a part of the engine outlived the kill"
    written = lines(folder)
    return whole_lines(written)


def finish(folder: Path, engine: str) -> Run:
    process = start(folder, engine)
    output = process.communicate(timeout=500)[0].decode()
    assert process.returncode == 0, output
    return read_run(folder / "run")


@pytest.mark.engine
def test_a_killed_vllm_goes_with_its_run_and_the_same_command_resumes(tmp_path: Path) -> None:
    first = stop_when(tmp_path, "vllm", lambda: lines(tmp_path).count(b"\n") >= 10)
    run = finish(tmp_path, "vllm")
    assert lines(tmp_path).startswith(first) and 10 <= first.count(b"\n") < ROWS
    assert run.complete and len({(r.id, r.sample) for r in run.records}) == len(run.records) == ROWS
    assert run.manifest.counts == {**run.manifest.counts, "unscored": 0}


@pytest.mark.parametrize(
    "engine", ["stand-in", pytest.param("vllm", marks=[pytest.mark.engine, pytest.mark.slow])]
)
def test_killed_at_every_stage_and_started_again(tmp_path: Path, engine: str) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    reference = finish(whole, engine)
    assert len(reference.records) == ROWS

    # While the engine loads.
    assert stop_when(killed, engine, lambda: (killed / "run/engine.log").exists()) == b""
    first = stop_when(killed, engine, lambda: lines(killed).count(b"\n") >= 1)
    second = stop_when(killed, engine, lambda: lines(killed).count(b"\n") >= first.count(b"\n") + 10)
    after_kills = read_run(killed / "run").manifest
    more = second.count(b"\n")
    third = stop_when(killed, engine, lambda: lines(killed).count(b"\n") > more, signal.SIGINT)
    after_interrupt = read_run(killed / "run").manifest
    assert 1 <= first.count(b"\n") < second.count(b"\n") < third.count(b"\n") < ROWS
    assert second.startswith(first) and third.startswith(second)

    run = finish(killed, engine)
    assert lines(killed).startswith(third)
    assert run.complete and len(run.records) == ROWS
    assert [(r.id, r.sample) for r in run.records] == [(r.id, r.sample) for r in reference.records]
    same = sum(a.text == b.text for a, b in zip(run.records, reference.records, strict=True))
    assert same >= 0.9 * ROWS, f"only {same} completions are the same"
    assert run.manifest.counts == {**run.manifest.counts, "unscored": 0}

    # What a kill leaves out is left out of seconds and tokens alike; Ctrl-C and the end leave out nothing.
    assert 0 < after_kills.timed_tokens <= tokens_in(second)
    assert after_interrupt.timed_tokens - after_kills.timed_tokens == tokens_in(third[len(second) :])
    timed = run.manifest.timed_tokens
    assert timed - after_interrupt.timed_tokens == tokens_in(lines(killed)[len(third) :])
    for phase in ("load", "generate", "score"):
        spent = [getattr(manifest.times, phase) for manifest in (after_kills, after_interrupt, run.manifest)]
        assert 0 < spent[0] < spent[1] < spent[2], phase
    assert run.summary.tokens_per_second == timed / run.manifest.times.generate

    before = lines(killed), os.stat(killed / "run/summary.json").st_mtime_ns
    finish(killed, engine)  # complete: says so and touches nothing
    assert (lines(killed), os.stat(killed / "run/summary.json").st_mtime_ns) == before
