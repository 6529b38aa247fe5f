"""What trainkit's hooks cost: a step under trainkit against the same verl command run plainly.

    pytest -s tests/bench_train.py        (twelve minutes on two cores)

Plainly means verl's own agent loop, replay buffer and reward worker, with all other settings equal.
Runs alternate, so that a machine that slows down does so for both. Hooks are what the agent loop does
around a completion (its own count), and the log reader with the console in trainkit's own process.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from trainkit.config import Options, resolve
from trainkit.follow import Follower
from trainkit.job import read_job
from trainkit.launch import environment, hold, run_verl
from trainkit.monitor import Monitor
from trainkit.prepare import Prepared, prepare

pytestmark = [pytest.mark.train, pytest.mark.slow]
STEPS = 4
OURS = (
    "default_agent_loop",
    "agent_loop_config",
    "v1.sampler",
    "checkpoint_callback",
    "reward.num_workers",
)
REWARD = """
from evalkit.judge import judge

def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    right = float(judge(solution_str, ground_truth, {rule!r}).score.outcome == "correct")
    return {{"score": right, "acc": right}}
"""


def options(folder: Path) -> Options:
    asked = {"task": "sums", "steps": STEPS, "output": str(folder), "save_every": 99, "validate_every": 99}
    return resolve("grpo", {**asked, "go_on": True}, preset=None, config=None, has_gpu=False)


def plain(command: list[str], folder: Path) -> list[str]:
    """The run's own command without what trainkit puts into verl."""
    reward = folder / "reward.py"
    reward.write_text(REWARD.format(rule=read_job(folder).rule))
    kept = [argument for argument in command if not any(name in argument for name in OURS)]
    return [*kept, f"reward.custom_reward_function.path={reward}", "reward.num_workers=1"]


def step_seconds(prepared: Prepared, command: list[str], follow: Callable[[], None]) -> list[float]:
    """Seconds of each step but the first, which warms up."""
    with hold(prepared.folder) as lock:
        run_verl(command, prepared.folder, environment(prepared.folder, "cpu", 0), lock, follow)
    lines = [json.loads(line) for line in (prepared.folder / "verl_metrics.jsonl").read_text().splitlines()]
    return [line["data"]["timing_s/step"] for line in lines if line["step"] > 1]


def with_trainkit(folder: Path) -> tuple[list[float], float]:
    """Seconds a step, and the share of them that our hooks take."""
    prepared, reading = prepare(options(folder)), 0.0
    with Monitor(prepared.folder) as monitor:
        follower = Follower(prepared.folder)

        def follow() -> None:
            nonlocal reading
            started = time.perf_counter()
            if follower.poll():
                monitor.refresh()
            reading += time.perf_counter() - started

        seconds = step_seconds(prepared, prepared.job.command, follow)
    lines = map(json.loads, (prepared.folder / "metrics.jsonl").read_text().splitlines())
    in_verl = sum(line["trainkit/hook_seconds"] for line in lines if line["step"] > 1)
    return seconds, (in_verl + reading) / sum(seconds)


def test_hooks_cost_next_to_nothing(tmp_path: Path) -> None:
    ours: list[float] = []
    theirs: list[float] = []
    shares: list[float] = []
    for turn in range(2):
        seconds, share = with_trainkit(tmp_path / f"ours{turn}")
        ours += seconds
        shares.append(share)
        run = prepare(options(tmp_path / f"plain{turn}"))
        theirs += step_seconds(run, plain(run.job.command, run.folder), lambda: None)
        shutil.rmtree(tmp_path / f"ours{turn}")
    print(f"\na step: trainkit {median(ours):.2f} s, plain verl {median(theirs):.2f} s")
    print(f"ratio {median(ours) / median(theirs):.3f}; our hooks take {max(shares):.2%} of a step")
    assert max(shares) <= 0.01
