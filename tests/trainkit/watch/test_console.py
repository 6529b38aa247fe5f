"""The console shows what the run's files say, on a terminal and off it.

pytest tests/trainkit/watch/test_console.py
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_training_runs import HEALTHY, RIGHT, WRONG, make_run
from places import ROOT
from rich.console import Console

from prompts.errors import UserError
from trainkit.runs.folder import TrainingRun
from trainkit.runs.metrics import Follower
from trainkit.watch.console import QUIET_SECONDS, Monitor, curve, picture, seconds_left
from trainkit.watch.watch import find_training_run, finished, next_unscored, place_to_score, watch

ROWS = [[RIGHT, WRONG, WRONG, WRONG], [RIGHT, WRONG, RIGHT, RIGHT]]
STEPS = [
    {**HEALTHY[0], "val-core/sums/acc/mean@1": 0.25, "perf/throughput": 812.0},
    {**HEALTHY[1], "val-core/sums/acc/mean@1": 0.75, "perf/throughput": 800.0, "timing_s/testing": 4.0},
]


def half_way(folder: Path) -> TrainingRun:
    """A run with two of four steps."""
    make_run(folder, steps=STEPS, rollouts=ROWS)
    job = json.loads((folder / "train.json").read_text())
    (folder / "train.json").write_text(json.dumps({**job, "total_steps": 4}))
    return TrainingRun(folder)


def shown(run: TrainingRun) -> str:
    out = io.StringIO()
    Console(file=out, width=110, force_terminal=False).print(picture(run))
    return out.getvalue()


def test_a_curve_keeps_shape_and_width() -> None:
    assert curve([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert curve([0.5, 0.5]) == "▁▁"
    assert curve([0.0, 0.5, 1.0], 0, 1) == "▁▅█"
    assert len(curve(list(range(1000)))) == 40
    assert curve([]) == ""
    assert curve([1.0, float("nan"), 2.0]) == "▁█"


def test_the_picture_holds_what_the_files_say(tmp_path: Path) -> None:
    text = shown(half_way(tmp_path / "demo"))
    for part in ("demo", "step 2 of 4", "20.0 s a step"):
        assert part in text
    accuracy = next(line for line in text.splitlines() if line.startswith("validation accuracy (step 2)"))
    assert accuracy.split()[4:6] == ["0.750", "0.250"]
    reward = next(line for line in text.splitlines() if line.startswith("reward"))
    assert reward.split()[1:3] == ["0.750", "0.250"]
    advantage = next(line for line in text.splitlines() if line.startswith("no advantage"))
    assert advantage.split()[2] == "50"
    assert "generate 8.0" in text
    assert "verl.log" in text


def test_time_left_counts_validations(tmp_path: Path) -> None:
    run = half_way(tmp_path)
    assert seconds_left(run) == pytest.approx(2 * (20 + 4 / 2))
    assert not run.complete


def test_a_run_that_has_not_begun_is_shown(tmp_path: Path) -> None:
    assert "starting" in shown(make_run(tmp_path, steps=[]))


def test_off_a_terminal_each_step_is_one_line(tmp_path: Path) -> None:
    make_run(tmp_path, steps=STEPS[:1], rollouts=ROWS)
    out = io.StringIO()
    with Monitor(tmp_path, Console(file=out, width=60)) as monitor:
        assert len(out.getvalue().splitlines()) == 1
        with (tmp_path / "metrics.jsonl").open("a") as file:
            line = {"step": 2, "timing_s/step": 9.5, "critic/score/mean": 0.75, "timing_s/gen": 4.0}
            file.write(json.dumps(line) + "\n")
        assert [line["step"] for line in monitor.refresh()] == [2]
        assert monitor.refresh() == []
    lines = out.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1/1", "2/1"]


def test_on_a_terminal_the_picture_is_redrawn(tmp_path: Path) -> None:
    half_way(tmp_path)
    out = io.StringIO()
    with Monitor(tmp_path, Console(file=out, width=100, force_terminal=True)) as monitor:
        monitor.refresh()
    assert "step 2 of 4" in out.getvalue()


def test_watch_shows_an_old_run_once(tmp_path: Path) -> None:
    run = half_way(tmp_path)
    assert not finished(run)
    for path in tmp_path.iterdir():
        os.utime(path, (0, time.time() - QUIET_SECONDS - 10))
    assert finished(TrainingRun(tmp_path))
    out = io.StringIO()
    watch(tmp_path, score=False, console=Console(file=out, width=100))
    assert "step 2 of 4" in out.getvalue()
    assert "not running" in out.getvalue()


def test_watch_follows_a_run_that_grows(tmp_path: Path) -> None:
    """Another process adds steps, as training does, while the command watches."""
    half_way(tmp_path)
    watching = subprocess.Popen(
        [sys.executable, "-m", "trainkit", "watch", str(tmp_path)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    with (tmp_path / "verl_metrics.jsonl").open("w") as file:
        for step in (3, 4):
            data = {"timing_s/step": 5.0, "critic/score/mean": 0.9}
            file.write(json.dumps({"step": step, "data": data}) + "\n")
    Follower(tmp_path).poll()
    out, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0
    assert "step 4/4" in out or "step 4 of 4" in out


def test_a_run_is_found_by_the_start_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    make_run(tmp_path / "runs/alpha-1")
    make_run(tmp_path / "runs/alpha-2")
    assert find_training_run("alpha-2").name == "alpha-2"
    assert find_training_run("runs/alpha-1").name == "alpha-1"
    with pytest.raises(UserError, match="may be alpha-1, alpha-2"):
        find_training_run("alpha")
    with pytest.raises(UserError, match="there are alpha-1, alpha-2"):
        find_training_run("beta")


def test_scoring_leaves_a_gpu_that_trains_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing is that of a machine with two GPUs, the first of which trains."""
    tool = tmp_path / "nvidia-smi"
    first, second = "0, GPU-1, NVIDIA H200, 143771, 3000", "1, GPU-2, NVIDIA H200, 143771, 143167"
    tool.write_text(f"#!/bin/sh\necho '{first}'\necho '{second}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    run = make_run(tmp_path / "run", device="cuda")
    assert place_to_score(run) == {"CUDA_VISIBLE_DEVICES": "1"}
    tool.write_text(f"#!/bin/sh\necho '{first}'\n")
    assert place_to_score(run) is None
    assert place_to_score(make_run(tmp_path / "run", device="cpu")) == {"CUDA_VISIBLE_DEVICES": ""}


def test_only_whole_checkpoints_without_a_result_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path / "demo")
    assert next_unscored(run.folder) is None
    (run.folder / "global_step_2" / "actor").mkdir(parents=True)
    assert next_unscored(run.folder) is None, "its save is not finished"
