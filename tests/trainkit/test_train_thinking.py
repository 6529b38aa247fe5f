"""Training on the CPU under a chat template that opens a thinking block, which SmolLM2 never closes.

pytest tests/trainkit/test_train_thinking.py        (about two minutes on two cores)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from opening_model import opening_model
from places import ROOT

from prompts.lock import read_lock
from prompts.reading.thinking import UNFINISHED

pytestmark = [pytest.mark.train, pytest.mark.slow]
PROGRAM = [sys.executable, "-c", "from trainkit.cli.app import main; main()"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
ASKED = ["--task", "sums", "--device", "cpu", "--batch", "2", "--samples", "4", "--mini-batch", "2"]


def test_rollouts_that_never_close_the_block_earn_nothing(smollm2: Path, tmp_path: Path) -> None:
    model = opening_model(smollm2, tmp_path / "opening")
    arguments = ["grpo", "--model", str(model), *ASKED, "--steps", "2", "--go-on", "--output", "run"]
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run = tmp_path / "run"
    lock = read_lock(run)
    assert lock is not None and lock.reading["thinking"]["opens"] == "<think>"
    rollouts = [json.loads(line) for line in (run / "rollouts.jsonl").read_text().splitlines()]
    never = [line for line in rollouts if "</think>" not in line["text"]]
    assert len(never) > len(rollouts) / 2
    assert {(line["reward"], line["outcome"], line["reason"]) for line in never} == {
        (0.0, "no_answer", UNFINISHED)
    }
    assert all(line["thinking_tokens"] == line["completion_tokens"] for line in never)
    told = subprocess.run(
        [*PROGRAM, "doctor", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    first = (told.stdout + told.stderr).splitlines()
    assert any("opens <think>, and the block is never closed" in line for line in first[:3]), first
