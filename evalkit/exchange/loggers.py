"""Scores where the training's curves are: wandb, MLflow, TensorBoard (`evalkit score --logger`).

The score of a checkpoint goes into the run that `trainkit --logger` (verl 0.9.1, utils/tracking.py) made of
its training, at the checkpoint's step; any other score into a run of its own.
"""

from __future__ import annotations

import importlib.util
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.runs.find import checkpoint_of
from evalkit.runs.folder import Run
from evalkit.settings import settings
from prompts.errors import Failed, UserError

VERLS_STORE = "sqlite:////tmp/mlruns.db"
"""Where verl writes for MLflow unless MLFLOW_TRACKING_URI says."""


@dataclass(frozen=True)
class Scores:
    """What is logged, and where: `project` and `name` as verl names them, `training` is the run's folder."""

    project: str
    name: str
    step: int
    training: Path | None
    values: Mapping[str, float]


def scores_of(run: Run, fixed: int | None = None, broken: int | None = None) -> Scores:
    """The figures of a complete run, shares of 1, and the questions fixed and broken since training began."""
    summary, prefix = run.summary, f"eval/{run.manifest.task}/"
    values: dict[str, float | None] = {
        "accuracy": summary.accuracy,
        "accuracy_low": summary.ci[0],
        "accuracy_high": summary.ci[1],
        "lenient_accuracy": summary.lenient_accuracy,
        "no_answer": summary.no_answer,
        "truncated": summary.truncated,
        "fixed": fixed,
        "broken": broken,
    }
    known = {f"{prefix}{name}": float(value) for name, value in values.items() if value is not None}
    checkpoint = checkpoint_of(run)
    if checkpoint is None or not checkpoint[0]:
        return Scores("evalkit", run.name, 0, None, known)
    folder = settings().runs / checkpoint[0]
    return Scores("trainkit", checkpoint[0], checkpoint[1], folder if folder.is_dir() else None, known)


def check_loggers(names: Sequence[str]) -> None:
    """UserError for a logger that is unknown, or whose package is missing: before anything is loaded."""
    for name in names:
        if name not in LOGGERS:
            raise UserError(f"--logger {name} is unknown; there are {', '.join(LOGGERS)}")
        if importlib.util.find_spec(name) is None:
            raise UserError(f"--logger {name} needs a package that is not installed: pip install {name}")


def log_scores(names: Sequence[str], scores: Scores) -> list[str]:
    """Log to each; returns where, in words.

    Raises Failed where a service refuses: the scores themselves lie in the results folder.
    """
    said = []
    for name in names:
        try:
            said.append(f"logged to {name}: {LOGGERS[name](scores)}")
        except Exception as error:  # each package has errors of its own
            raise Failed(
                f"--logger {name}: {type(error).__name__}: {error}; the run itself is whole, and the same "
                "command logs it again"
            ) from error
    return said


def _tensorboard(scores: Scores) -> str:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    if scores.training:
        folder = scores.training / "tensorboard"  # where trainkit has verl write
    else:
        below = f"tensorboard_log/{scores.project}/{scores.name}"
        folder = Path(os.environ.get("TENSORBOARD_DIR") or below)
    writer = EventFileWriter(str(folder))
    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scores.values.items()]
    writer.add_event(Event(wall_time=time.time(), step=scores.step, summary=Summary(value=values)))
    writer.close()
    return str(folder)


def _wandb(scores: Scores) -> str:
    import wandb

    run = wandb.init(
        project=scores.project,
        name=scores.name,
        entity=os.environ.get("WANDB_ENTITY"),
        id=_id_of_wandb(scores),
        resume="allow",
        dir=scores.training,
    )
    step = "eval/step"  # its own axis: wandb drops what is logged behind the training's newest step
    run.define_metric("eval/*", step_metric=step)
    run.log({**scores.values, step: scores.step})
    run.finish()
    return f"{scores.project}/{scores.name} ({run.id})"


def _id_of_wandb(scores: Scores) -> str | None:
    """That of the training's run, from the folder that wandb keeps; one of the name where it keeps none."""
    folders = scores.training.glob("wandb/*run-*-*") if scores.training else ()
    kept = sorted(folder.name.partition("run-")[2] for folder in folders)  # run-DATE_TIME-ID, or offline-run-
    if kept:
        return kept[-1].partition("-")[2]
    return re.sub(r"[^\w-]+", "-", scores.name)[:120]


def _mlflow(scores: Scores) -> str:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", VERLS_STORE))
    experiment = client.get_experiment_by_name(scores.project)
    place = experiment.experiment_id if experiment else client.create_experiment(scores.project)
    quoted = scores.name.replace("'", "")
    found = client.search_runs([place], f"tags.mlflow.runName = '{quoted}'", max_results=1)
    of_mlflow = found[0] if found else client.create_run(place, run_name=quoted)
    for name, value in scores.values.items():
        client.log_metric(of_mlflow.info.run_id, re.sub(r"[^/\w.\- :]", "_", name), value, step=scores.step)
    if not found:
        client.set_terminated(of_mlflow.info.run_id)
    return f"{scores.project}/{quoted} ({of_mlflow.info.run_id})"


LOGGERS: dict[str, Callable[[Scores], str]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
