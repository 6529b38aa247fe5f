"""Runs written as strings, a letter a question: texts are really read and graded.

`c` right, `l` right but not in the asked form, `w` wrong, `n` no answer, `u` a row whose gold cannot be used.
"""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from made_runs import lock_of, make_run

from evalkit.compare.diff import Diff, diff_runs
from evalkit.records import Row
from evalkit.runs.folder import Run

ANSWER = {
    "c": "So it is \\boxed{%s}.",
    "l": "The answer is %s.",
    "w": "So it is \\boxed{-77}.",
    "n": "I do not know.",
    "u": "So it is \\boxed{%s}.",
}


def row(i: int, gold: bool = True) -> Row:
    return Row(id=f"q{i:05}", question=f"What is {i} + 1?", gold=str(i + 1) if gold else None)


def made(folder: Path, *samples: str, first: int = 0, order: int | None = None, **manifest: object) -> Run:
    """A run from one string a sample; `order` shuffles the file by this seed."""
    rows = [row(first + i, gold=letter != "u") for i, letter in enumerate(samples[0])]
    letters = {rows[i].id: [sample[i] for sample in samples] for i in range(len(rows))}
    written = rows if order is None else random.Random(order).sample(rows, len(rows))

    def complete(asked: Row, sample: int) -> tuple[str, bool]:
        text = ANSWER[letters[asked.id][sample]]
        return text % asked.gold if "%s" in text else text, letters[asked.id][sample] == "n"

    lock = lock_of(rows, len(samples))
    return make_run(folder, written, complete, samples=len(samples), lock=lock, **manifest)


def diff_of(folder: Path, base: str, new: str) -> Diff:
    return diff_runs(made(folder / "a", base), made(folder / "b", new))


def unlike(folder: Path) -> tuple[Run, Run]:
    rows = [row(i) for i in range(30)]
    lock = replace(lock_of(rows), reading={"scorer": {"rule": "hash@1"}, "system": "You are helpful."})
    right = ANSWER["c"]
    b = make_run(
        folder / "b", rows, lambda r, _: (right % r.gold, False), lock=lock, split="train", marks=["overlap"]
    )
    return made(folder / "a", "c" * 30), b


def evalkit(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = "from evalkit.cli.app import main; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
