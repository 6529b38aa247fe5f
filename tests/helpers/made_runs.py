"""Result folders for tests: GSM8K questions, completions made from gold solutions, really read and scored."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from evalkit.extract.reading import extract
from evalkit.grade.judge import judge
from evalkit.records import Record, Row, Sampling
from evalkit.runs.folder import Run, RunWriter, read_run
from evalkit.runs.manifest import EngineFacts, GitState, ModelFacts, Times, manifest_of, new_manifest
from evalkit.runs.summary import counted, summarize
from evalkit.tasks.load import load_rows
from prompts.lock import Lock
from prompts.registry import get_template

DATA = Path(os.environ.get("EVALKIT_DATA") or ROOT.parent / "shared" / "data")
TEMPLATE = get_template("gsm8k-boxed@1")
RULE = TEMPLATE.rule
BUDGET = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 512, "samples": 1, "seed": 0}

needs_gsm8k = pytest.mark.skipif(
    not (DATA / "gsm8k" / "test.jsonl").exists(),
    reason=f"no gsm8k/test.jsonl in {DATA}; set EVALKIT_DATA to a folder that holds it",
)


def gsm8k_rows(limit: int | None = None) -> tuple[Row, ...]:
    return load_rows("gsm8k", "test", data=DATA).rows[:limit]


def number(*parts: object) -> int:
    """A number that looks random and is always the same for the same parts."""
    return int(hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:8], 16)


def completion(row: Row, step: int) -> tuple[str, bool]:
    """What a model of this training step might write: its text, and whether it was cut off.

    From the gold solution: more often right with more steps, and more often in the asked form.
    """
    work, _, gold = row.fields["answer"].rpartition("####")
    luck = number(row.id, "luck") % 100
    if number(row.id, step, "cut") % 100 < 3:
        return work[: len(work) // 2], True
    if luck + number(row.id, step, "noise") % 20 > 45 + step // 4:
        gold = str(int(gold.replace(",", "")) + 1 + number(row.id, step) % 9)
    if number(row.id, step, "form") % 100 > 60 + step // 3:
        return f"{work}So the result is {gold.strip()}.", False
    return f"{work}The answer is \\boxed{{{gold.strip()}}}.", False


Complete = Callable[[Row, int], tuple[str, bool]]


def records_of(rows: Iterable[Row], complete: Complete, samples: int = 1) -> Iterable[Record]:
    for row in rows:
        for sample in range(samples):
            text, cut = complete(row, sample)
            verdict = judge(text, row.gold, RULE)
            yield Record(
                id=row.id,
                sample=sample,
                question=row.question,
                gold=row.gold,
                prompt_tokens=len(row.question) // 4,
                completion_tokens=max(1, len(text) // 4),
                text=text,
                finish_reason="length" if cut else "stop",
                truncated=cut,
                extraction=verdict.extraction,
                outcome=verdict.grade.outcome,
                reason=verdict.grade.reason,
                lenient=verdict.lenient,
                lenient_outcome=verdict.lenient_outcome,
                seed=sample,
                own_id=row.own_id,
            )


def lock_of(rows: Iterable[Row], samples: int = 1, **reading: Any) -> Lock:
    prompts = {row.id: hashlib.sha256(row.question.encode()).hexdigest()[:16] for row in rows}
    return Lock(
        reading={
            "template": {"ref": TEMPLATE.ref, "sha256": TEMPLATE.text_sha256},
            "scorer": {"rule": extract("", RULE).rule},
            **reading,
        },
        data={"task": "gsm8k", "split": "test", "rows": len(prompts), "prompts": prompts},
        budget={**BUDGET, "samples": samples},
    )


def make_run(
    folder: Path,
    rows: Sequence[Row],
    complete: Complete,
    *,
    samples: int = 1,
    lock: Lock | None = None,
    **manifest: Any,
) -> Run:
    """A complete result folder. `manifest` overrides keys of its manifest."""
    lock = lock or lock_of(rows, samples)
    records = list(records_of(rows, complete, samples))
    base = new_manifest(
        command=f"evalkit score --model {folder.name} --task gsm8k",
        lock=lock_of(rows, samples),
        model=ModelFacts(name=f"demo/{folder.name}"),
        sampling=Sampling(samples=samples),
        engine=EngineFacts(name="vllm", version="0.24.0", batch_invariant=False),
        packages={"transformers": "5.9.0"},
        git=GitState(),
        rows=len(rows),
        date=datetime(2026, 11, 20, 10, tzinfo=UTC),
        times=Times(load=20.0, generate=30.0, score=0.5),
    )
    written = {**counted(base, records).as_dict(), "fingerprint": lock.fingerprint, **manifest}
    values = manifest_of(written, folder.name)
    writer = RunWriter(folder, values, lock)
    for record in records:
        writer.append(record)
    writer.finish(values, summarize(records, 9000.0))
    return read_run(folder)


def evalkit(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from evalkit.cli.app import main; main()", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One line on stderr that holds these words, the exit code, and no traceback."""
    lines = done.stderr.strip().splitlines()
    assert done.returncode == code, done.stderr
    assert lines[0].startswith("error: ") and "Traceback" not in done.stderr
    assert code == 3 or len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], (word, lines[0])


def four_runs(root: Path, limit: int | None = None) -> list[Run]:
    """Base and three training steps over the GSM8K test questions."""
    rows = gsm8k_rows(limit)
    return [
        make_run(
            root / f"step_{step}",
            rows,
            lambda row, _, step=step: completion(row, step),
            date=f"2026-11-20T1{i}:00:00+00:00",
        )
        for i, step in enumerate((0, 50, 100, 150))
    ]


def long_runs(root: Path, rows: Sequence[Row]) -> list[Run]:
    """Four runs with completions of 2,000 characters, near the limit of 512 tokens, all different."""

    def write(row: Row, step: int) -> tuple[str, bool]:
        others = [rows[number(row.id, step, i) % len(rows)].fields["answer"] for i in range(8)]
        return "\n".join(others)[:1950] + completion(row, 50 * step)[0][-50:], False

    return [
        make_run(root / f"step_{step}", rows, lambda row, _, step=step: write(row, step)) for step in range(4)
    ]
