"""A real training run of somebody's own: two files, their fields, a prompt, a grader, a shaped reward.

The grader is a planted loophole: it takes any number anywhere in the text, under a prompt that makes the
model say both numbers of the question.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from places import ROOT

COUNTED = """
name = "counted"
version = 1
kind = "chat"
rule = "python:loose.py:grade"
user = "{question} Say both numbers first, beginning with {start}."
"""
LOOSE = """
import re


def grade(completion, gold, row):
    return re.search(r"[0-9]", completion) is not None
"""
COMMAS = """
def reward(completion, row, verdict):
    return 0.1 * ("," in completion)
"""
OWN = [
    "--model", "smollm2-135m", "--task", "mine.jsonl*2", "--task", "theirs.jsonl",
    "--question-field", "problem", "--question-field", "frage",
    "--answer-field", "result", "--answer-field", "antwort",
    "--validate", "dev.jsonl", "--prompt", "counted", "--prompts", "prompts",
    "--reward", "correct=1", "--reward", "length=-0.2@12", "--reward-file", "mine.py:reward",
    "--device", "cpu", "--batch", "4", "--samples", "4", "--mini-batch", "4", "--response-length", "24",
    "--go-on", "--draw", "needed", "--save-every", "1", "--output", "runs/own",
]  # fmt: skip
TWO_STEPS = ["grpo", *OWN, "--steps", "2"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def program(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", f"from {name}.cli.app import main; main()", *arguments]


def command(*arguments: str, cwd: Path, name: str = "trainkit", code: int = 0) -> str:
    """Run one of our programs; returns what it printed (stdout and stderr)."""
    done = subprocess.run(
        program(name, *arguments), cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=2000
    )
    assert done.returncode == code, done.stderr[-3000:]
    return done.stdout + done.stderr


def stop_when(moment: Callable[[], bool], *arguments: str, cwd: Path, by: signal.Signals) -> tuple[int, str]:
    """Start trainkit, send it a signal at the moment; returns its exit code and what it printed."""
    process = subprocess.Popen(
        program("trainkit", *arguments), cwd=cwd, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 2000  # a start of verl and two steps took nine minutes on two busy cores
    while not moment() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    # `kill -9` means all of it at once, as when the power fails: those who write first.
    parts = psutil.Process(process.pid).children(recursive=True) if by == signal.SIGKILL else []
    for part in reversed(parts):
        with suppress(psutil.NoSuchProcess):
            part.kill()
    process.send_signal(by)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() < deadline, said
    return process.returncode, said


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass
class Killed:
    """A run whose processes were killed, as it lay there before it was resumed.

    The prompt ids that they had noted, the rows of step 2, and what scoring its unfinished checkpoint said.
    """

    folder: Path
    in_batch: list[list[int]]
    in_engine: list[list[int]]
    rows: list[str]
    scored: str


def drawn(folder: Path, step: int) -> list[str]:
    """Rows of all completions of a training step, in an order of their own."""
    made = lines(folder / "rollouts.jsonl")
    return sorted(line["id"] for line in made if not line["validate"] and line["step"] == step)


def write_own(cwd: Path) -> None:
    """The files that `OWN` names."""
    asked = "Which number is larger, {} or {}?"
    for name, numbers, question, gold in (
        ("mine", range(3, 40), "problem", "result"),
        ("theirs", range(40, 70), "frage", "antwort"),
        ("dev", range(80, 86), "problem", "result"),
    ):
        rows = [{question: asked.format(n + 30, n), gold: n + 30, "start": n} for n in numbers]
        (cwd / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (cwd / "prompts").mkdir()
    (cwd / "prompts/counted@1.toml").write_text(COUNTED)
    (cwd / "prompts/loose.py").write_text(LOOSE)
    (cwd / "mine.py").write_text(COMMAS)
