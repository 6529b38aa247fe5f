"""What trainkit makes of verl: a step under trainkit against the same verl command run plainly.

    pytest -s tests/bench/bench_train.py                  (twelve minutes on two cores)
    python tests/bench/bench_train.py RUN [--steps 6]     against a training run that is there, on its device

Plainly means verl's own agent loop, replay buffer and reward worker, with all other settings equal.
The first form lets runs alternate, so that a machine that slows down does so for both. Hooks are what the
agent loop does around a completion (its own count), and the log reader with the console in trainkit's own
process. The second form takes the command of RUN, which may still be training on another GPU.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import pytest

from trainkit.launch.environment import environment
from trainkit.launch.process import hold, run_verl
from trainkit.options import Options, resolve
from trainkit.prepare import Prepared, prepare
from trainkit.runs.job import Job, read_job
from trainkit.runs.metrics import Follower
from trainkit.watch.console import Monitor

pytestmark = [pytest.mark.train, pytest.mark.slow]
STEPS = 4
OURS = (
    "agent_loop_manager",
    "custom_backend_module",
    "scheduler_cls",
    "v1.sampler",
    "checkpoint_callback",
    "reward.num_workers",
)
PHASES = ("gen", "old_log_prob", "adv", "update_actor", "update_weights", "step")
REWARD = """
from evalkit.grade.judge import judge

def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    right = float(judge(solution_str, ground_truth, {rule!r}).grade.outcome == "correct")
    return {{"score": right, "acc": right}}
"""


def options(folder: Path) -> Options:
    asked = {"task": "sums", "steps": STEPS, "output": str(folder), "save_every": 99, "validate_every": 99}
    return resolve("grpo", {**asked, "go_on": True}, preset=None, config=None, has_gpu=False)


def plain(job: Job, folder: Path) -> list[str]:
    """The job's own command without what trainkit puts into verl; `folder` takes what is written."""
    reward = folder / "reward.py"
    reward.write_text(REWARD.format(rule=job.rule))
    kept = [argument for argument in job.command if not any(name in argument for name in OURS)]
    return [*kept, f"reward.custom_reward_function.path={reward}", "reward.num_workers=1"]


def run(command: list[str], folder: Path, device: str, follow: Callable[[], None]) -> list[dict[str, float]]:
    """Metrics of each step but the first, which warms up."""
    with hold(folder) as lock:
        run_verl(command, folder, environment(folder, device, 0), lock, follow)
    return steps_in(folder / "verl_metrics.jsonl")


def steps_in(path: Path) -> list[dict[str, float]]:
    """Metrics of the steps in verl's log, without the first."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["data"] for line in lines if line["step"] > 1 and "timing_s/step" in line["data"]]


def with_trainkit(folder: Path) -> tuple[list[dict[str, float]], float]:
    """Metrics of the steps, and the share of their time that our hooks take."""
    prepared, reading = prepare(options(folder)), 0.0
    with Monitor(prepared.folder) as monitor:
        follower = Follower(prepared.folder)

        def follow() -> None:
            nonlocal reading
            started = time.perf_counter()
            if follower.poll():
                monitor.refresh()
            reading += time.perf_counter() - started

        steps = run(prepared.job.command, prepared.folder, "cpu", follow)
    lines = map(json.loads, (prepared.folder / "metrics.jsonl").read_text().splitlines())
    in_verl = sum(line["trainkit/hook_seconds"] for line in lines if line["step"] > 1)
    return steps, (in_verl + reading) / sum(step["timing_s/step"] for step in steps)


def middle(steps: Sequence[dict[str, float]], phase: str) -> float:
    """Median seconds of a phase, steps that saved left out where there are others."""
    kept = [step for step in steps if "timing_s/save_checkpoint" not in step] or steps
    return median(step[f"timing_s/{phase}"] for step in kept)


def compare(ours: Sequence[dict[str, float]], theirs: Sequence[dict[str, float]]) -> None:
    """Print seconds by phase, and the ratio."""
    print(f"\n{'seconds':16}{'trainkit':>10}{'plain verl':>12}")
    for phase in PHASES:
        print(f"{phase:16}{middle(ours, phase):10.2f}{middle(theirs, phase):12.2f}")
    print(f"ratio {middle(ours, 'step') / middle(theirs, 'step'):.3f} ({len(ours)} and {len(theirs)} steps)")


def test_hooks_cost_next_to_nothing(tmp_path: Path) -> None:
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    shares: list[float] = []
    for turn in range(2):
        steps, share = with_trainkit(tmp_path / f"ours{turn}")
        ours += steps
        shares.append(share)
        prepared: Prepared = prepare(options(tmp_path / f"plain{turn}"))
        theirs += run(plain(prepared.job, prepared.folder), prepared.folder, "cpu", lambda: None)
        shutil.rmtree(tmp_path / f"ours{turn}")
    compare(ours, theirs)
    print(f"our hooks take {max(shares):.2%} of a step")
    assert max(shares) <= 0.01


def against(folder: Path, steps: int) -> None:
    """Run a training run's command plainly for a few steps, into a folder beside it, and compare."""
    job = read_job(folder)
    places = {"./": f"{folder.absolute()}/", f"={job.base.name}": f"={job.model_folder}"}
    for written, place in places.items():  # train.json holds no path of a machine
        job = msgspec.structs.replace(job, command=[part.replace(written, place) for part in job.command])
    job = msgspec.structs.replace(job, command=[sys.executable, *job.command[1:]])
    beside = folder.with_name(f"{folder.name}-plain")
    beside.mkdir()
    only_steps = {
        "trainer.total_training_steps": steps,
        "trainer.default_local_dir": beside,
        "trainer.val_before_train": False,
        "trainer.val_only": False,
        "trainer.resume_mode": "disable",
        "trainer.test_freq": -1,
        "trainer.save_freq": -1,
        "hydra.run.dir": beside / "hydra",
    }
    kept = [argument for argument in plain(job, beside) if argument.split("=")[0] not in only_steps]
    command = [*kept, *(f"{name}={value}" for name, value in only_steps.items())]
    theirs = run(command, beside, job.options["device"], lambda: None)
    compare(steps_in(folder / "verl_metrics.jsonl")[: len(theirs)], theirs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of the training run")
    parser.add_argument("--steps", type=int, default=6)
    arguments = parser.parse_args()
    against(arguments.run.absolute(), arguments.steps)
