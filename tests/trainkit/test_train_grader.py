"""Training with graders that misbehave: what is no verdict stops the run and is never a reward.

pytest tests/trainkit/test_train_grader.py        (about three minutes on two cores)

That a grader of the user's pays the rewards of a run is tested in test_own_data.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

pytestmark = [pytest.mark.train, pytest.mark.slow]
OPTIONS = [
    "--model", "smollm2-135m", "--task", "sums", "--prompt", "own", "--prompts", ".", "--device", "cpu",
    "--batch", "2", "--samples", "4", "--mini-batch", "2", "--steps", "1", "--go-on", "--output", "run",
]  # fmt: skip
TEMPLATE = """
name = "own"
version = 1
kind = "chat"
rule = "python:own.py:grade"
user = "{question}"
"""
HEAD = """
import os, re, subprocess, time

SECONDS = 2
MEMORY_MIB = 400


def grade(completion, gold, row):
"""
NOISY = """
    print("graded", row["id"], "x" * 5000)
    subprocess.Popen(["sleep", "7534"], start_new_session=True)
    if os.fork() == 0:
        time.sleep(7535)
    numbers = re.findall("[0-9]+", completion)
    return numbers[-1] if numbers else "no_answer"
"""
FAILING = {
    "it took more than 2 s and was ended": "    time.sleep(7536)",
    "MemoryError": "    return len([b'x' * 2**20 for _ in range(600)]) > 0",
}


def trained(folder: Path, body: str) -> tuple[subprocess.CompletedProcess[str], list[dict[str, object]]]:
    """`trainkit grpo` under this grader, and the rollouts that it wrote."""
    folder.mkdir()
    (folder / "own@1.toml").write_text(TEMPLATE)
    (folder / "own.py").write_text(HEAD + body)
    done = subprocess.run(
        [sys.executable, "-m", "trainkit", "grpo", *OPTIONS],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    path = folder / "run/rollouts.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return done, [json.loads(line) for line in lines]


def is_running(words: str) -> bool:
    return any(
        words in path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.exists()
    )


def test_one_that_prints_forks_and_returns_text(tmp_path: Path) -> None:
    done, rollouts = trained(tmp_path / "noisy", NOISY)
    assert done.returncode == 0, done.stderr[-3000:]
    trained_on = [line for line in rollouts if not line["validate"]]
    assert len(trained_on) == 8
    assert {line["outcome"] for line in rollouts} <= {"correct", "wrong", "no_answer"}
    assert all((line["outcome"] == "correct") == (line["reward"] == 1.0) for line in rollouts)
    assert "xxxxx" not in done.stdout + done.stderr
    assert not is_running("sleep 7534")


@pytest.mark.parametrize("reason", FAILING)
def test_one_that_gives_no_verdict_stops_the_run(tmp_path: Path, reason: str) -> None:
    done, rollouts = trained(tmp_path / "failing", FAILING[reason])
    assert done.returncode == 1
    assert reason in done.stderr, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    assert rollouts == []
    assert not list((tmp_path / "failing/run").glob("global_step_*"))
