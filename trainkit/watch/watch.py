"""`trainkit watch`: the console of a run that another process trains, or that is long over.

With `--score` every checkpoint that has become whole is scored by `evalkit score`, in a process of
its own, which leaves a run in the results folder as if it had been typed. A GPU that trains is left
alone: scoring then takes a free one, or waits until the training is over.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from evalkit.machine import find_gpus
from evalkit.models.checkpoint import last_complete_step, list_steps
from evalkit.runs.find import checkpoint_of
from evalkit.runs.folder import list_runs
from evalkit.settings import settings
from prompts.errors import Failed, UserError
from trainkit.diagnose.doctor import diagnose
from trainkit.options import Options
from trainkit.runs.folder import TrainingRun
from trainkit.watch.console import QUIET_SECONDS, Monitor, last_written, picture

POLL_SECONDS = 1.0
FREE_ENOUGH = 0.92
"""A GPU with this share of its memory free is nobody's (`evalkit score` takes nine tenths)."""
WORTH_SAYING = 0.5
"""Findings below this weight are left to `trainkit doctor`."""


def find_training_run(name: str) -> Path:
    """The folder of a training run: a path, its name in runs/, or the start of one name alone.

    Raises UserError with the names that there are.
    """
    if (Path(name) / "train.json").exists():
        return Path(name)
    root = settings().runs
    names = sorted(path.parent.name for path in root.glob("*/train.json"))
    found = [name] if name in names else [known for known in names if known.startswith(name)]
    if len(found) == 1:
        return root / found[0]
    if found:
        raise UserError(f"{name!r} may be {', '.join(found)}; give more of the name")
    listed = f"there are {', '.join(names)}" if names else f"{root}/ holds none; `trainkit grpo` makes one"
    raise UserError(f"{name!r} is no training run; {listed}")


def watch(folder: Path, *, score: bool, console: Console) -> None:
    """Show a run until its last step is done, or once where nobody trains it any more."""
    if finished(TrainingRun(folder)):
        console.print(picture(TrainingRun(folder)))
    else:
        with Monitor(folder, console) as monitor:
            while not finished(monitor.run):
                monitor.refresh()
                if score and (place := place_to_score(monitor.run)) and (step := next_unscored(folder)):
                    score_step(monitor.run, step, console, place)
                time.sleep(POLL_SECONDS)
    run = TrainingRun(folder)
    while score and (step := next_unscored(folder)):
        score_step(run, step, console, {})
    serious = [finding for finding in diagnose(run) if finding.weight >= WORTH_SAYING]
    if serious:
        console.print(f"{serious[0].sentence} `trainkit doctor {folder.name}` says more.", markup=False)


def finished(run: TrainingRun) -> bool:
    """Whether the last step is done, or the files have been quiet for long."""
    return run.complete or time.time() - last_written(run.folder) > QUIET_SECONDS


def next_unscored(folder: Path) -> int | None:
    """The oldest whole checkpoint of which the results folder holds no run."""
    newest = last_complete_step(folder)
    if newest is None:
        return None
    scored = {checkpoint_of(run) for run in list_runs(settings().results)}
    steps = [step for step in list_steps(folder) if step <= newest]
    return next((step for step in steps if (folder.name, step) not in scored), None)


def place_to_score(run: TrainingRun) -> dict[str, str] | None:
    """The environment in which scoring does not disturb the training; None where it would."""
    if run.options.device == "cpu":
        return {"CUDA_VISIBLE_DEVICES": ""}
    free = [gpu for gpu in find_gpus() if gpu.free_mib > FREE_ENOUGH * gpu.total_mib]
    return {"CUDA_VISIBLE_DEVICES": str(free[0].index)} if free else None


FILES = (".jsonl", ".json", ".csv", ".parquet")


def score_tasks(options: Options) -> list[str]:
    """The tasks of a run as `evalkit score` takes them: test splits; of files those that validate.

    A file that was trained on is named only where there is nothing else.
    """
    tasks = [name.rpartition("*")[0] or name for name in options.task]
    held = [name for name in options.validate if Path(name).suffix in FILES]
    tasks = [name for name in tasks if Path(name).suffix not in FILES] + held or tasks
    arguments = [word for task in tasks for word in ("--task", str(task))]
    for flag, names in (
        ("--question-field", options.question_field),
        ("--answer-field", options.answer_field),
    ):
        arguments += [word for name in names for word in (flag, name)]
    return arguments


def score_step(run: TrainingRun, step: int, console: Console, place: dict[str, str]) -> None:
    """Score one checkpoint on the test split of the run's task; Failed where `evalkit score` fails."""
    options = run.options
    arguments = ["score", "--model", f"{run.folder}/global_step_{step}", *score_tasks(options)]
    arguments += ["--max-tokens", str(run.job.response_length)]
    if options.data:
        arguments += ["--data", options.data]
    for folder in options.prompts:
        arguments += ["--prompts", folder]
    console.print(f"evalkit {shlex.join(arguments)}", markup=False, soft_wrap=True)
    done = subprocess.run([sys.executable, "-m", "evalkit", *arguments], env={**os.environ, **place})
    if done.returncode:
        raise Failed(f"`evalkit score` of step {step} ended with exit code {done.returncode}, see above")
