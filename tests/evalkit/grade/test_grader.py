"""Graders of one's own: what their functions do is bounded, and never becomes a score by accident.

pytest tests/evalkit/grade/test_grader.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evalkit.grade.function_pool import FunctionPool
from evalkit.grade.grader import ask
from evalkit.grade.judge import Judge
from evalkit.grade.lock_entry import grader_of, scorer_like, template_entry
from evalkit.grade.user_function import read_function
from prompts.errors import Mismatch, UserError
from prompts.template import read_template

MISBEHAVING = """
import os, subprocess, sys, time

SECONDS = 1
MEMORY_MIB = 300


def grade(completion, gold, row):
    if completion == "hang":
        while True:
            pass
    if completion == "sleep":
        time.sleep(600)
    if completion == "fork":
        os.fork()
        return "correct"
    if completion == "daemon":
        subprocess.Popen(["sleep", "7531"], start_new_session=True)
        return "correct"
    if completion == "fork and hang":
        if os.fork() == 0:
            os.setsid()
        time.sleep(7532)
    if completion == "print":
        print("seen", gold)
        return "wrong", "too long"
    if completion == "print and raise":
        print("about to fail")
        raise KeyError("x")
    if completion == "flood":
        while True:
            print("x" * 10_000)
    if completion == "exit":
        sys.exit(3)
    if completion == "end":
        os._exit(4)
    if completion == "crash":
        os.kill(os.getpid(), 11)
    if completion == "memory":
        return "a" * 10**9
    if completion == "object":
        return object()
    if completion == "ask":
        return input()
    if completion == "number":
        return 1.0
    if completion == "praise":
        return "Correct!"
    if completion == "pair":
        return "fine", "reason"
    if completion == "nothing":
        return None
    if completion == "truth":
        return completion == gold
    if completion == "field":
        return row["fields"]["wanted"]
    return completion.split()[-1]
"""

BOUNDED = [
    ("hang", "unscored", "it took more than 1 s and was ended"),
    ("sleep", "unscored", "it took more than 1 s and was ended"),
    ("fork and hang", "unscored", "it took more than 1 s and was ended"),
    ("fork", "correct", "so says the grader"),
    ("daemon", "correct", "so says the grader"),
    ("print", "wrong", "too long"),
    ("print and raise", "unscored", "KeyError: 'x' (line 29); it printed: about to fail"),
    ("flood", "unscored", "File too large"),
    ("exit", "unscored", "SystemExit: 3"),
    ("end", "unscored", "it ended its process with exit code 4"),
    ("crash", "unscored", "its process was ended by SIGSEGV"),
    ("memory", "unscored", "MemoryError"),
    ("object", "unscored", "it returned object, which has no JSON form"),
    ("ask", "unscored", "EOFError"),
    ("number", "unscored", "returned '1.0' (float); allowed: correct, wrong"),
    ("praise", "unscored", "returned 'Correct!' (str); allowed: correct, wrong"),
    ("pair", "unscored", "allowed: correct, wrong"),
    ("nothing", "no_answer", "so says the grader"),
    ("truth", "wrong", "so says the grader"),
    ("field", "correct", "equal"),
    ("it is 18", "correct", "equal"),
    ("it is 18.0", "correct", "equal"),
    ("it is 19", "wrong", "another number than the gold"),
]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionPool]:
    path = tmp_path_factory.mktemp("graders") / "grade.py"
    path.write_text(MISBEHAVING)
    with FunctionPool(read_function(f"python:{path}:grade")) as opened:
        yield opened


@pytest.mark.parametrize(("completion", "outcome", "reason"), BOUNDED)
def test_whatever_a_grader_does_is_an_outcome_with_a_reason(
    pool: FunctionPool, completion: str, outcome: str, reason: str
) -> None:
    _, verdict = ask(pool, completion, "18", {"fields": {"wanted": "18"}})
    assert verdict.outcome == outcome
    assert reason in verdict.reason
    assert ask(pool, "it is 18", "18", {})[1].outcome == "correct"  # it goes on as if nothing had been


def test_no_process_is_left_behind(pool: FunctionPool) -> None:
    for completion in ("daemon", "fork and hang", "hang"):
        ask(pool, completion, "18", {})
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert "sleep 7531" not in listed
    workers = [line for line in listed.splitlines() if "function_worker.py" in line and sys.prefix in line]
    pool.close()
    left = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "args"], capture_output=True, text=True)
    assert "function_worker.py" not in left.stdout, workers


def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "grade.py").write_text("import time\ndef grade(c, g, r):\n    time.sleep(600)\n")
    code = (
        "import sys, threading, time\n"
        "from evalkit.grade.function_pool import FunctionPool\n"
        "from evalkit.grade.user_function import read_function\n"
        f"pool = FunctionPool(read_function('python:{tmp_path}/grade.py:grade'), 1)\n"
        "worker = pool._free.get(); pool._free.put(worker)\n"
        "print(worker.process.pid, flush=True)\n"
        "pool.call('a', 'b', {})\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        parent.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_many_threads_share_the_workers(tmp_path: Path) -> None:
    (tmp_path / "grade.py").write_text("def grade(c, g, r):\n    return c == g\n")
    judge = Judge("python:grade.py:grade", read_function(f"python:{tmp_path}/grade.py:grade"))
    texts = [str(i % 5) for i in range(400)]
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda text: judge(text, "3").grade.outcome, texts))
    judge.close()
    assert outcomes == ["correct" if text == "3" else "wrong" for text in texts]


@pytest.mark.parametrize(
    ("source", "rule", "message"),
    [
        ("def grade(:", "grade.py:grade", "is no Python"),
        ("def judge(c, g, r): pass", "grade.py:grade", "has no function grade; it defines judge"),
        ("import nowhere\ndef grade(c, g, r): pass", "grade.py:grade", "cannot be run: ModuleNotFoundError"),
        (
            "SECONDS = 'long'\ndef grade(c, g, r): pass",
            "grade.py:grade",
            "SECONDS = 'long' must be a positive",
        ),
        ("MEMORY_MIB = 5\ndef grade(c, g, r): pass", "grade.py:grade", "MEMORY_MIB = 5 is too little"),
        ("grade = 5", "grade.py:grade", "grade is int, no function"),
        ("", "other.py:grade", "no file other.py in"),
        ("", "grade", "is named python:FILE.py:FUNCTION"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_before_anything_runs(
    tmp_path: Path, source: str, rule: str, message: str
) -> None:
    (tmp_path / "grade.py").write_text(source)
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        FunctionPool(read_function(f"python:{rule}", [tmp_path])).close()


TEMPLATE = """
name = "own"
version = 1
kind = "chat"
user = "{question}"
rule = "python:grade.py:grade"
"""


def test_the_lock_pins_the_file(tmp_path: Path) -> None:
    grader = tmp_path / "grade.py"
    grader.write_text("def grade(c, g, r):\n    return c == g\n")
    (tmp_path / "own@1.toml").write_text(TEMPLATE)
    template = read_template(tmp_path / "own@1.toml")
    entry = template_entry(template)
    function = read_function(f"python:{grader}:grade")
    assert entry["rule"] == "python:grade.py:grade"
    assert entry["sha256"] == function.sha256
    assert grader_of(template, entry) == function
    grader.write_text("def grade(c, g, r):\n    return True\n")
    with pytest.raises(Mismatch, match=r"has sha256 .* the lock says .* evalkit rescore RUN"):
        grader_of(template, entry)
    assert scorer_like(entry, template)["sha256"] != entry["sha256"]  # and so `check` and `score` refuse it
