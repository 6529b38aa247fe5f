"""Answers a second under a grader that computes for 1 ms: through its processes against a plain loop.

    pytest -s tests/bench/bench_grader.py

As in `evalkit score`: as many threads as the grader has processes ask at once. The plain loop calls the
function in this process, on one core and without limits.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from evalkit.grade.judge import Judge
from evalkit.grade.user_function import read_function

SOURCE = """
import time


def grade(completion, gold, row):
    end = time.thread_time() + 0.001
    while time.thread_time() < end:
        pass
    return completion == gold
"""
ANSWERS, TIMES = 1000, 5
TEXT = "She sells 16 - 3 - 4 = 9 eggs a day and makes 9 * 2 = 18 dollars. " * 8
ROW = {"id": "0123456789abcdef", "question": "How many dollars does she make?", "fields": {"level": 3}}


def test_a_grader_of_one_millisecond(tmp_path: Path) -> None:
    path = tmp_path / "grade.py"
    path.write_text(SOURCE)
    plain: dict[str, object] = {}
    exec(SOURCE, plain)
    grade = plain["grade"]
    assert callable(grade)
    judge = Judge("python:grade.py:grade", read_function(f"python:{path}:grade"))
    through, alone = [], []
    with ThreadPoolExecutor(judge.workers) as threads:
        list(threads.map(lambda _: judge(TEXT, "18", ROW), range(20)))  # both processes are there
        for _ in range(TIMES):
            began = time.perf_counter()
            list(threads.map(lambda _: judge(TEXT, "18", ROW), range(ANSWERS)))
            through.append(ANSWERS / (time.perf_counter() - began))
            began = time.perf_counter()
            for _ in range(ANSWERS):
                grade(TEXT, "18", ROW)
            alone.append(ANSWERS / (time.perf_counter() - began))
    judge.close()
    ratio = median(ours / loop for ours, loop in zip(through, alone, strict=True))
    rates = f"{median(through):,.0f} answers a second ({min(through):,.0f} to {max(through):,.0f})"
    print(f"\n{judge.workers} processes: {rates}; a plain loop {median(alone):,.0f}; ratio {ratio:.2f}")
    assert ratio > 0.5
