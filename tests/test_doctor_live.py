"""Two runs that are really made to fail: training stops after one step and says why.

    pytest tests/test_doctor_live.py -m train

The others were recorded: tests/corpora/doctor.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SMALL = ("--batch", "2", "--samples", "4", "--mini-batch", "2", "--micro-batch", "8", "--limit", "40")
BARE = """
name = "sums-bare"
version = 1
description = "Nothing asks for the marker that the rule reads."
kind = "chat"
tasks = ["sums"]
rule = "hash"
user = '{question}'
"""


def trainkit(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trainkit", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=400
    )


@pytest.mark.train
@pytest.mark.parametrize(
    ("options", "cause", "words"),
    [
        (("--prompt", "sums-bare"), "no-marker", "The prompt never asks for '####'"),
        (("--prompt", "sums-hash", "--response-length", "3"), "truncated", "cut off at 3 tokens"),
    ],
    ids=["prompt without the marker", "responses cut too short"],
)
def test_a_first_step_without_reward_stops_the_run(
    tmp_path: Path, options: tuple[str, ...], cause: str, words: str
) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/sums-bare@1.toml").write_text(BARE)
    run = str(tmp_path / "run")
    asked = ("--task", "sums", "--prompts", str(tmp_path / "prompts"), "--steps", "3", "--output", run)
    done = trainkit("grpo", *asked, *SMALL, *options)
    assert done.returncode == 1, done.stderr
    assert "every reward of the first step is zero" in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(trainkit("doctor", run, "--format", "json").stdout)
    assert found[0]["cause"] == cause
    assert [line["step"] for line in map(json.loads, (tmp_path / "run/metrics.jsonl").open())] == [0, 1]
