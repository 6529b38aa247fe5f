"""`evalkit score --logger`: scores go where the training's curves are, or the missing package is named.

pytest tests/evalkit/exchange/test_loggers.py
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_training_runs import made_job
from places import ROOT
from written_runs import LOCK, MANIFEST, record

from evalkit.exchange.loggers import LOGGERS, check_loggers, log_scores, scores_of
from evalkit.runs.folder import Run, RunWriter, read_run
from evalkit.runs.manifest import ModelFacts
from evalkit.runs.summary import counted, summarize
from evalkit.score.since_start import since_start
from prompts.errors import UserError
from trainkit.runs.job import write_job

BASE = "0" * 64


def scored(folder: Path, model: ModelFacts, *texts: str) -> Run:
    records = [record(f"row{n}", text) for n, text in enumerate(texts)]
    manifest = counted(MANIFEST.changed(model=model, rows=len(texts)), records)
    writer = RunWriter(folder, manifest, LOCK)
    for entry in records:
        writer.append(entry)
    writer.finish(manifest, summarize(records, 10.0))
    return read_run(folder)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Run]:
    """A base model and two checkpoints of a training run, scored."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVALKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("EVALKIT_RESULTS", str(tmp_path / "results"))
    (tmp_path / "runs/demo").mkdir(parents=True)
    write_job(made_job(), tmp_path / "runs/demo")
    results = tmp_path / "results"
    return {
        "base": scored(results / "base", ModelFacts(name="smollm2-135m", weights_sha256=BASE), "7", "8", "8"),
        "step_5": scored(results / "five", ModelFacts(name="demo:step_5"), "8", "8", "8"),
        "step_10": scored(results / "ten", ModelFacts(name="demo:step_10"), "8", "7", "7"),
    }


def test_changes_are_counted_from_the_model_that_training_began_with(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    change = since_start(runs["step_10"])
    assert change is not None and (change.fixed, change.broken) == (2, 1)
    (tmp_path / "runs/demo/train.json").unlink()
    change = since_start(runs["step_10"])
    assert change is not None and (change.fixed, change.broken) == (2, 0), "else from the first scored step"
    assert since_start(runs["step_5"]) is None and since_start(runs["base"]) is None


def test_what_is_logged(runs: dict[str, Run]) -> None:
    scores = scores_of(runs["step_10"], 2, 1)
    assert (scores.project, scores.name, scores.step) == ("trainkit", "demo", 10)
    summary = runs["step_10"].summary
    assert scores.values["eval/t/accuracy"] == summary.accuracy == pytest.approx(2 / 3)
    assert (scores.values["eval/t/accuracy_low"], scores.values["eval/t/accuracy_high"]) == summary.ci
    assert (scores.values["eval/t/fixed"], scores.values["eval/t/broken"]) == (2.0, 1.0)
    alone = scores_of(runs["base"])
    assert (alone.project, alone.name, alone.training) == ("evalkit", "base", None)
    assert "eval/t/fixed" not in alone.values


def test_tensorboard_shows_them_in_the_run_of_the_training(runs: dict[str, Run], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for name in ("step_5", "step_10"):
        log_scores(["tensorboard"], scores_of(runs[name]))
    found = EventAccumulator(str(tmp_path / "runs/demo/tensorboard")).Reload()
    points = [(event.step, event.value) for event in found.Scalars("eval/t/accuracy")]
    assert points == [(5, 0.0), (10, pytest.approx(2 / 3))]


def test_wandb_goes_on_with_the_run_of_the_training(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "runs/demo/wandb/offline-run-20261127_100000-abc123xy").mkdir(parents=True)
    code = (
        "import sys; from pathlib import Path; from evalkit.runs.folder import read_run\n"
        "from evalkit.exchange.loggers import log_scores, scores_of\n"
        "print(*log_scores(['wandb'], scores_of(read_run(Path(sys.argv[1])))))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(runs["step_10"].folder)]  # wandb writes when a process ends
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "logged to wandb: trainkit/demo (abc123xy)" in done.stdout
    kept = list((tmp_path / "runs/demo/wandb").glob("offline-run-*-abc123xy/*.wandb"))
    assert kept and b"eval/t/accuracy" in kept[0].read_bytes()


def test_mlflow_goes_on_with_the_run_of_the_training(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    store = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    client = mlflow.MlflowClient(tracking_uri=store)
    training = client.create_run(client.create_experiment("trainkit"), run_name="demo")
    for name in ("step_5", "step_10"):
        log_scores(["mlflow"], scores_of(runs[name]))
    history = client.get_metric_history(training.info.run_id, "eval/t/accuracy")
    assert [(entry.step, entry.value) for entry in history] == [(5, 0.0), (10, pytest.approx(2 / 3))]


def test_a_package_that_is_missing_is_named_before_anything_runs() -> None:
    for name in LOGGERS:
        if importlib.util.find_spec(name) is None:
            with pytest.raises(UserError, match=f"--logger {name} needs .*: pip install {name}$"):
                check_loggers([name])
        else:
            check_loggers([name])
    with pytest.raises(UserError, match="--logger tensorbord is unknown; there are tensorboard, wandb"):
        check_loggers(["tensorbord"])
