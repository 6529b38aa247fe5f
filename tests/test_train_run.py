"""Real GRPO on the CPU through the public command: train, go on, score, compare; PPO and DAPO too.

pytest tests/test_train_run.py        (about eight minutes on two cores)
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from prompts.lock import read_lock
from trainkit.launch import hold

pytestmark = [pytest.mark.train, pytest.mark.slow]
SMALL = ["--model", "smollm2-135m", "--task", "sums", "--batch", "4", "--samples", "4", "--mini-batch", "4"]
SMALL += ["--device", "cpu"]


def command(*arguments: str, cwd: Path, program: str = "trainkit", code: int = 0) -> str:
    """Run one of our programs; returns what it printed (stdout and stderr)."""
    main = f"from {program}.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", main, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == code, done.stderr[-3000:]
    return done.stdout + done.stderr


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of two steps, saved after each, and what it printed."""
    folder = tmp_path_factory.mktemp("train")
    said = command("grpo", *SMALL, "--steps", "2", "--save-every", "1", "--output", "runs/one", cwd=folder)
    return folder / "runs/one", said


def test_a_run_leaves_what_the_docs_promise(run: tuple[Path, str]) -> None:
    folder, said = run
    job = json.loads((folder / "train.json").read_text())
    metrics = lines(folder / "metrics.jsonl")
    assert [line["step"] for line in metrics] == [0, 1, 2]
    assert metrics[1]["trainkit/rollouts"] == metrics[2]["trainkit/rollouts"] == 16
    assert metrics[1]["trainkit/acc"] == pytest.approx(metrics[1]["critic/score/mean"])
    assert metrics[1]["trainkit/hook_seconds"] < 0.01 * metrics[1]["timing_s/step"]
    rollouts = lines(folder / "rollouts.jsonl")
    validated = [line for line in rollouts if line["validate"] and line["step"] == 0]
    assert len(validated) == job["rows"]["validation"]
    accuracy = sum(line["reward"] for line in validated) / len(validated)
    assert metrics[0]["val-core/sums/acc/mean@1"] == pytest.approx(accuracy)
    assert all(
        line["truncated"] == (line["completion_tokens"] == 16) for line in rollouts if line["truncated"]
    )
    lock = read_lock(folder)
    for step in (1, 2):
        checkpoint = folder / f"global_step_{step}"
        manifest = json.loads((checkpoint / "manifest.json").read_text())
        assert (manifest["step"], manifest["fingerprint"]) == (step, job["fingerprint"])
        assert read_lock(checkpoint) == lock
    assert "are, id by id, those of prompts.tokens.encode" in said


def test_vllm_saw_every_prompt_of_the_first_steps(run: tuple[Path, str]) -> None:
    folder, _ = run
    noted = lines(folder / "tokens_batch.jsonl")
    seen = sorted(line["ids"] for line in lines(folder / "tokens_vllm.jsonl"))
    assert sorted(line["ids"] for line in noted) == seen


def test_the_same_command_goes_on_and_another_is_refused(run: tuple[Path, str]) -> None:
    folder, _ = run
    where = ["--save-every", "1", "--output", "runs/one"]
    cwd = folder.parent.parent
    refused = command("grpo", *SMALL, "--seed", "7", *where, cwd=cwd, code=2)
    assert "holds another run: seed is 0 there and 7 here" in refused
    assert "is complete: 2 steps" in command("grpo", *SMALL, "--steps", "2", *where, cwd=cwd)
    cut_off = folder / "global_step_3"
    (cut_off / "actor").mkdir(parents=True)
    said = command("grpo", *SMALL, "--steps", "3", *where, cwd=cwd)
    assert "goes on after step 2" in said
    assert [line["step"] for line in lines(folder / "metrics.jsonl")] == [0, 1, 2, 3]
    assert (cut_off / "manifest.json").exists()
    counts = {
        step: sum(r["step"] == step for r in lines(folder / "rollouts.jsonl") if not r["validate"])
        for step in (1, 2, 3)
    }
    assert counts == {1: 16, 2: 16, 3: 16}


def test_the_checkpoint_is_scored_as_it_lies_there(run: tuple[Path, str]) -> None:
    cwd = run[0].parent.parent
    scoring = ["--task", "sums", "--limit", "8"]
    command("score", "--model", "smollm2-135m", *scoring, "--output", "base", cwd=cwd, program="evalkit")
    command("score", "--model", "one:step_2", *scoring, "--output", "two", cwd=cwd, program="evalkit")
    manifests = [json.loads((cwd / name / "manifest.json").read_text()) for name in ("base", "two")]
    assert manifests[0]["fingerprint"] == manifests[1]["fingerprint"]
    assert manifests[0]["model"]["weights_sha256"] != manifests[1]["model"]["weights_sha256"]
    assert "8" in command("diff", "base", "two", cwd=cwd, program="evalkit")


def test_ctrl_c_says_where_the_same_command_goes_on(tmp_path: Path) -> None:
    main = "from trainkit.cli.app import main; main()"
    arguments = ["grpo", *SMALL, "--steps", "9", "--output", "run"]
    process = subprocess.Popen(
        [sys.executable, "-c", main, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )  # fmt: skip
    while not (tmp_path / "run/verl.log").exists():
        time.sleep(0.2)
    time.sleep(20)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from the start" in said
    with hold(tmp_path / "run"):
        pass


def test_dapo_drops_groups_without_advantage(tmp_path: Path) -> None:
    command("dapo", *SMALL, "--steps", "1", "--output", "run", cwd=tmp_path)
    (step,) = [line for line in lines(tmp_path / "run/metrics.jsonl") if line["step"] == 1]
    assert step["training/filter_groups/evicted_samples"] > 0
    assert step["trainkit/rollouts"] > 16
    trained = [r for r in lines(tmp_path / "run/tokens_batch.jsonl") if r["partition"] == "train"]
    assert len(trained) == 16
    rewards: dict[str, set[float]] = {}
    for rollout in lines(tmp_path / "run/rollouts.jsonl"):
        if not rollout["validate"]:
            rewards.setdefault(rollout["id"], set()).add(rollout["reward"])
    assert all(len(rewards[row["id"]]) == 2 for row in trained)


def test_ppo_trains_a_critic(tmp_path: Path) -> None:
    command("ppo", *SMALL, "--steps", "1", "--output", "run", cwd=tmp_path)
    (step,) = [line for line in lines(tmp_path / "run/metrics.jsonl") if line["step"] == 1]
    assert step["timing_s/update_critic"] > 0
    assert (tmp_path / "run/global_step_1/critic").is_dir()
