"""How long `evalkit diff` takes as a whole process, and what it holds in memory, beside the usual script.

    pytest -s tests/bench/bench_diff.py
    BENCH_ROWS=1000000 pytest -s tests/bench/bench_diff.py      # 3 GB of disk, a minute

The peer does the least that gives a McNemar p: pandas reads both files, merges them by id, and scipy
tests. Nothing is asserted of the times; the two must find the same p.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from lettered_runs import made

PEER = """
import sys, pandas, scipy.stats
def read(path):
    parts = pandas.read_json(path, lines=True, chunksize=50_000)
    return pandas.concat(part[["id", "outcome"]] for part in parts)
both = read(sys.argv[1]).merge(read(sys.argv[2]), on="id")
right = both.outcome_x == "correct", both.outcome_y == "correct"
fixed, broken = int((~right[0] & right[1]).sum()), int((right[0] & ~right[1]).sum())
print(scipy.stats.binomtest(fixed, fixed + broken).pvalue)
"""
TIMED = """
import resource, subprocess, sys, time
start = time.monotonic()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True, check=True)
seconds, use = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
import json
print(json.dumps([done.stdout, seconds, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024]))
"""


def grown(folder: Path, rows: int, seed: int) -> Path:
    """A run of so many rows: the lines of a small one under other ids, with texts as long as GSM8K's."""
    run = made(folder, "cw")
    samples = {
        record.outcome: {**record.as_dict(), "text": record.text * 40, "question": "How many? " * 24}
        for record in run.records
    }
    rng = random.Random(seed)
    counts = dict.fromkeys(samples, 0)
    with (folder / "records.jsonl").open("wb") as file:
        for i in rng.sample(range(rows), rows):
            outcome = "correct" if rng.random() < 0.5 else "wrong"
            counts[outcome] += 1
            file.write(
                orjson.dumps({**samples[outcome], "id": f"{i:016x}"}, option=orjson.OPT_APPEND_NEWLINE)
            )
    manifest = {**run.manifest.as_dict(), "rows": rows, "counts": {**(run.manifest.counts or {}), **counts}}
    (folder / "manifest.json").write_bytes(orjson.dumps(manifest))
    return folder


def timed(*command: str) -> tuple[str, float, float, float]:
    """Output, seconds, processor seconds and MiB of a process."""
    done = subprocess.run([sys.executable, "-c", TIMED, *command], capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout))  # type: ignore[return-value]


@pytest.mark.parametrize("rows", sorted({1319, int(os.environ.get("BENCH_ROWS", "20000"))}))
def test_diff_beside_pandas(tmp_path: Path, rows: int) -> None:
    a, b = grown(tmp_path / "a", rows, 1), grown(tmp_path / "b", rows, 2)
    code = "from evalkit.cli.app import main; main()"
    ours = timed(sys.executable, "-c", code, "diff", str(a), str(b), "--format", "json")
    theirs = timed(sys.executable, "-c", PEER, str(a / "records.jsonl"), str(b / "records.jsonl"))
    assert json.loads(ours[0])["p_value"] == pytest.approx(float(theirs[0]), abs=1e-9)
    for name, (_, seconds, cpu, memory) in (("evalkit diff", ours), ("pandas + scipy", theirs)):
        print(
            f"\n{rows:>9,} rows  {name:<14} {seconds:6.2f} s  {cpu:6.2f} s of processor  {memory:6.0f} MiB",
            end="",
        )
    print(f"\n{rows:>9,} rows  processor time, evalkit / pandas: {ours[2] / theirs[2]:.2f}")
