"""Looking again: several runs of a checkpoint, and gates that are asked after each of several.

    pytest tests/evalkit/compare/test_looks.py

How often they err is simulated by `make simulate`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lettered_runs import made
from made_runs import evalkit

from evalkit.compare.diff import compare_pair, diff_runs, line_up, line_up_all
from evalkit.compare.table import render_diff
from evalkit.compare.verdict import check_gates, sentence, verdict
from evalkit.stats.pairs import mcnemar_exact, tango
from evalkit.stats.samples import paired_p
from prompts.errors import Failed, Mismatch

BASE, NEW = "c" * 30 + "w" * 30, "c" * 26 + "w" * 4 + "c" * 14 + "w" * 16


def steps(folder: Path, texts: dict[str, tuple[int, str]]) -> None:
    for minute, (name, (step, text)) in enumerate(texts.items()):
        model = {"name": f"demo:step_{step}", "path": None, "weights_sha256": str(step), "revision": None}
        made(folder / name, text, model=model, date=f"2026-11-20T10:{minute:02}:00+00:00")


def test_all_runs_are_samples_of_one_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    texts = [["".join(rng.choice(["c", "w", "l"], 40)) for _ in range(3)] for _ in range(2)]
    sides = [[made(tmp_path / f"{s}{i}", t) for i, t in enumerate(side)] for s, side in enumerate(texts)]
    diff = compare_pair(line_up_all(sides), 0, 1)
    shares = [np.array([list(t) for t in side]) == "c" for side in texts]
    differences = shares[1].mean(axis=0) - shares[0].mean(axis=0)
    assert diff.delta == pytest.approx(differences.mean())
    assert diff.p_value == pytest.approx(paired_p(differences))
    assert (diff.base.runs, diff.new.runs, diff.base.samples) == (3, 3, 3)
    assert "all 3 complete runs, 3 answers a question" in render_diff(diff, "table")
    one = compare_pair(line_up_all([side[:1] for side in sides]), 0, 1)
    assert one == diff_runs(sides[0][0], sides[1][0])


def test_all_runs_must_be_comparable(tmp_path: Path) -> None:
    base = [made(tmp_path / "a", BASE), made(tmp_path / "b", BASE, split="train")]
    with pytest.raises(Mismatch, match="b cannot be compared"):
        line_up_all([base, [made(tmp_path / "c", NEW)]])


def test_the_newest_is_taken_with_a_warning_that_counts(tmp_path: Path) -> None:
    steps(tmp_path, {"a": (50, BASE), "b": (100, BASE), "c": (100, NEW), "d": (100, NEW)})
    settings = {"cwd": tmp_path, "EVALKIT_RESULTS": str(tmp_path)}
    done = evalkit("diff", "step_50", "step_100", "--format", "json", **settings)
    assert "step_100 has 3 complete runs: the newest is compared" in done.stderr
    assert json.loads(done.stdout)["new"]["run"] == "d"
    every = evalkit("diff", "step_50", "step_100", "--all-runs", "--format", "json", **settings)
    values = json.loads(every.stdout)
    assert (values["new"]["runs"], values["base"]["runs"], "warning" in every.stderr) == (3, 1, False)
    assert "--all-runs" not in evalkit("diff", "a", "d", **settings).stderr
    assert evalkit("diff", "a", "d", "--all-runs", "--rows", "fixed", **settings).returncode == 2


def test_looks_share_the_error(tmp_path: Path) -> None:
    runs = line_up([made(tmp_path / "a", BASE), made(tmp_path / "b", NEW)])
    once, often = compare_pair(runs, 0, 1), compare_pair(runs, 0, 1, looks=5)
    assert mcnemar_exact(14, 4) == once.p_value == often.p_value < 0.05
    assert verdict(once) == "better" and verdict(often) == "no difference"
    assert often.ci == once.ci == tango(14, 4, 60) and often.looks_ci.low < 0 < once.looks_ci.low
    assert "(adjusted for 5 looks)" in sentence(often) and "looks" not in sentence(once)
    check_gates(once, fail_if_worse=None, require_better=True)
    with pytest.raises(Failed, match="not shown to be better"):
        check_gates(often, fail_if_worse=None, require_better=True)


def test_a_gate_over_a_curve_names_looks(tmp_path: Path) -> None:
    steps(tmp_path, {"a": (0, BASE), "b": (50, BASE), "c": (100, NEW)})
    settings = {"cwd": tmp_path, "EVALKIT_RESULTS": str(tmp_path)}
    gated = evalkit("diff", "a", "b", "c", "--fail-if-worse", **settings)
    assert gated.returncode == 0 and "--looks 2" in gated.stderr
    assert (
        "warning" not in evalkit("diff", "a", "b", "c", "--fail-if-worse", "--looks", "2", **settings).stderr
    )
    assert "warning" not in evalkit("diff", "a", "b", "c", **settings).stderr
    assert evalkit("diff", "a", "b", "--looks", "0", **settings).returncode == 2
