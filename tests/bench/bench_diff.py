"""How long `evalkit diff` takes as a whole process, and what it holds in memory, beside the usual script.

    pytest -s tests/bench/bench_diff.py
    BENCH_ROWS=1000000 pytest -s tests/bench/bench_diff.py      # 3 GB of disk, a minute
    BENCH_BESIDE=CHECKOUT pytest -s tests/bench/bench_diff.py -k beside_another    # of another version

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
from statistics import median

import orjson
import pytest
from lettered_runs import made
from places import ROOT

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
OURS = "from evalkit.cli.app import main; main()"
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


def timed(*command: str, code: Path = ROOT) -> tuple[str, float, float, float]:
    """Output, seconds, processor seconds and MiB of a process that runs a checkout's code."""
    environment = {**os.environ, "PYTHONPATH": str(code)}
    done = subprocess.run(
        [sys.executable, "-c", TIMED, *command],
        capture_output=True,
        text=True,
        check=True,
        cwd=code,
        env=environment,
    )
    return tuple(json.loads(done.stdout))  # type: ignore[return-value]


@pytest.mark.skipif("BENCH_BESIDE" not in os.environ, reason="BENCH_BESIDE names no other checkout")
def test_diff_beside_another_version(tmp_path: Path) -> None:
    """Two checkouts in turns on the same runs: medians and the least of each."""
    rows, turns = int(os.environ.get("BENCH_ROWS", "1319")), int(os.environ.get("BENCH_TURNS", "25"))
    a, b = grown(tmp_path / "a", rows, 1), grown(tmp_path / "b", rows, 2)
    command = (sys.executable, "-c", OURS, "diff", str(a), str(b), "--format", "json")
    sides = {"this": ROOT, "the other": Path(os.environ["BENCH_BESIDE"])}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    found = {}
    for _ in range(turns + 1):
        for name, code in sides.items():
            text, _, cpu, memory = timed(*command, code=code)
            found[name] = json.loads(text)["p_value"]
            figures[name].append((cpu, memory))
    assert found["this"] == pytest.approx(found["the other"], abs=1e-12)
    for name, every in figures.items():
        cpu, memory = zip(*every[1:], strict=True)  # the first one compiles
        print(
            f"\n{rows:>9,} rows, {turns} turns  {name:<10} processor: median {median(cpu):.3f} s, "
            f"least {min(cpu):.3f} s; memory: median {median(memory):.1f} MiB",
            end="",
        )


@pytest.mark.parametrize("rows", sorted({1319, int(os.environ.get("BENCH_ROWS", "20000"))}))
def test_diff_beside_pandas(tmp_path: Path, rows: int) -> None:
    a, b = grown(tmp_path / "a", rows, 1), grown(tmp_path / "b", rows, 2)
    ours = timed(sys.executable, "-c", OURS, "diff", str(a), str(b), "--format", "json")
    theirs = timed(sys.executable, "-c", PEER, str(a / "records.jsonl"), str(b / "records.jsonl"))
    assert json.loads(ours[0])["p_value"] == pytest.approx(float(theirs[0]), abs=1e-9)
    for name, (_, seconds, cpu, memory) in (("evalkit diff", ours), ("pandas + scipy", theirs)):
        print(
            f"\n{rows:>9,} rows  {name:<14} {seconds:6.2f} s  {cpu:6.2f} s of processor  {memory:6.0f} MiB",
            end="",
        )
    print(f"\n{rows:>9,} rows  processor time, evalkit / pandas: {ours[2] / theirs[2]:.2f}")
