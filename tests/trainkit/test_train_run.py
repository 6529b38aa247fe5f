"""Real training on the CPU through the public command: killed, resumed, scored, compared, diagnosed.

pytest tests/trainkit/test_train_run.py        (about seven minutes on two cores)

SmolLM2 rarely gets a sampled sum right, so a first step of a few samples may well earn nothing:
`--go-on` keeps that from ending the runs which are about something else.
"""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path

import pytest
from own_run import TWO_STEPS, Killed, command, drawn, lines, stop_when

from prompts.lock import read_lock
from trainkit.launch.process import hold

pytestmark = pytest.mark.train
ON_CPU = ["--model", "smollm2-135m", "--task", "sums", "--device", "cpu"]
SMALL = [*ON_CPU, "--batch", "4", "--samples", "4", "--mini-batch", "4", "--go-on"]
BARE = """
name = "sums-bare"
version = 1
description = "Nothing asks for the marker that the rule reads."
kind = "chat"
tasks = ["sums"]
rule = "hash"
user = '{question}'
"""


def test_vllm_saw_every_prompt_of_the_first_steps(killed: Killed) -> None:
    assert len(killed.in_batch) == 6 + 16
    assert sorted(killed.in_batch) == sorted(killed.in_engine)


def test_a_save_that_was_cut_off_is_not_scored(killed: Killed) -> None:
    assert "step_2" in killed.scored and "Traceback" not in killed.scored


def test_the_same_command_goes_on(resumed: tuple[Path, str]) -> None:
    folder, said = resumed
    assert "resumes after step 1" in said
    assert [line["step"] for line in lines(folder / "metrics.jsonl")] == [0, 1, 2]
    assert len(drawn(folder, 1)) == 16
    cwd = folder.parent.parent
    assert "is complete: 2 steps" in command(*TWO_STEPS, cwd=cwd)
    refused = command(*TWO_STEPS, "--seed", "7", cwd=cwd, code=2)
    assert "holds another run: seed is 0 there and 7 here" in refused


def test_a_larger_draw_is_that_of_the_unbroken_run(killed: Killed, resumed: tuple[Path, str]) -> None:
    """How many rows, and which, is decided by what step 1 had seen, which its checkpoint keeps."""
    first, second = lines(killed.folder / "metrics.jsonl")[1:]
    assert first["training/groups_drawn"] == 4
    assert second["training/groups_drawn"] == math.ceil(4 * 4 / max(1, first["training/groups_teaching"]))
    assert len(killed.rows) == 4 * second["training/groups_drawn"] == second["trainkit/rollouts"]
    assert drawn(killed.folder, 2) == killed.rows
    nothing_teaches = "no group teaches: nothing is learned in this step" in resumed[1]
    assert nothing_teaches == (second["training/groups_teaching"] == 0)


def test_a_run_leaves_what_the_docs_promise(resumed: tuple[Path, str]) -> None:
    folder, _ = resumed
    job = json.loads((folder / "train.json").read_text())
    metrics = lines(folder / "metrics.jsonl")
    assert metrics[1]["trainkit/rollouts"] == 16
    assert metrics[1]["trainkit/reward"] == pytest.approx(metrics[1]["critic/score/mean"])
    assert metrics[1]["trainkit/hook_seconds"] > 0
    rollouts = lines(folder / "rollouts.jsonl")
    validated = [line for line in rollouts if line["validate"] and line["step"] == 0]
    assert len(validated) == job["rows"]["validation"]
    accuracy = sum(line["outcome"] == "correct" for line in validated) / len(validated)
    assert metrics[0]["val-core/dev/acc/mean@1"] == pytest.approx(accuracy)
    assert all(line["completion_tokens"] == 24 for line in rollouts if line["truncated"])
    lock = read_lock(folder)
    for step in (1, 2):
        checkpoint = folder / f"global_step_{step}"
        manifest = json.loads((checkpoint / "manifest.json").read_text())
        assert (manifest["step"], manifest["fingerprint"]) == (step, job["fingerprint"])
        assert read_lock(checkpoint) == lock


def test_the_checkpoint_is_scored_as_it_lies_there(resumed: tuple[Path, str]) -> None:
    cwd = resumed[0].parent.parent
    dev = ["--task", "dev.jsonl", "--question-field", "problem", "--answer-field", "result"]
    dev += ["--max-tokens", "24"]
    base = ["--model", "smollm2-135m", "--prompt", "counted", "--prompts", "prompts", "--engine", "hf"]
    command("score", *base, *dev, "--output", "base", cwd=cwd, name="evalkit")
    trained = ["--model", "own:step_2", *dev, "--output", "two"]
    said = command("score", *trained, cwd=cwd, name="evalkit", code=2)
    assert "no file loose.py" in said and "lies: --prompts FOLDER" in said
    command("score", *trained, "--prompts", "prompts", cwd=cwd, name="evalkit")
    manifests = [json.loads((cwd / name / "manifest.json").read_text()) for name in ("base", "two")]
    assert manifests[0]["fingerprint"] == manifests[1]["fingerprint"]
    assert manifests[0]["model"]["weights_sha256"] != manifests[1]["model"]["weights_sha256"]
    assert "6 questions of dev" in command("diff", "base", "two", cwd=cwd, name="evalkit")


def test_ctrl_c_says_where_the_same_command_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "run/verl.log"
    code, said = stop_when(
        lambda: log.exists() and b"Started a local Ray instance" in log.read_bytes(),
        "grpo", *SMALL, "--steps", "9", "--output", "run", cwd=tmp_path, by=signal.SIGINT,
    )  # fmt: skip
    assert code == 130
    assert "the same command resumes from the start" in said
    with hold(tmp_path / "run"):
        pass


@pytest.mark.slow  # its draw and what it leaves out: tests/trainkit/draw and tests/trainkit/plugins, too
def test_dapo_leaves_out_groups_without_advantage(tmp_path: Path) -> None:
    command("dapo", *SMALL, "--steps", "1", "--output", "run", cwd=tmp_path)
    (step,) = [line for line in lines(tmp_path / "run/metrics.jsonl") if line["step"] == 1]
    groups, teaching = step["training/groups_drawn"], step["training/groups_teaching"]
    assert 0 < teaching <= groups
    assert step["trainkit/rollouts"] == 4 * groups
    assert step["training/trajectories_trained"] == 4 * teaching
    rewards: dict[str, set[float]] = {}
    for rollout in lines(tmp_path / "run/rollouts.jsonl"):
        if not rollout["validate"]:
            rewards.setdefault(rollout["group"], set()).add(rollout["reward"])
    assert sum(len(seen) > 1 for seen in rewards.values()) == teaching


@pytest.mark.parametrize(
    ("word", "options", "cause", "words"),
    [
        (
            "ppo",
            ("--prompt", "sums-bare", "--save-every", "1"),
            "no-marker",
            "The prompt never asks for '####'",
        ),
        pytest.param(
            *("grpo", ("--prompt", "sums-hash", "--response-length", "3")),
            *("truncated", "cut off at 3 tokens"),
            marks=pytest.mark.slow,  # told from recorded runs in tests/trainkit/diagnose, too
        ),
    ],
    ids=["prompt without the marker", "responses cut too short"],
)
def test_a_first_step_without_reward_stops_the_run(
    tmp_path: Path, word: str, options: tuple[str, ...], cause: str, words: str
) -> None:
    """Two runs really made to fail; others were recorded (tests/corpora/doctor). One trains a critic too."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/sums-bare@1.toml").write_text(BARE)
    sizes = ["--batch", "2", "--samples", "4", "--mini-batch", "2", "--micro-batch", "8", "--limit", "40"]
    where = ["--prompts", "prompts", "--steps", "3", "--output", "run"]
    said = command(word, *ON_CPU, *sizes, *where, *options, cwd=tmp_path, code=1)
    assert "every reward of the first step is zero" in said
    assert words in said
    assert "Traceback" not in said
    found = json.loads(command("doctor", "run", "--format", "json", cwd=tmp_path))
    assert found[0]["cause"] == cause
    base, step = lines(tmp_path / "run/metrics.jsonl")
    assert (base["step"], step["step"]) == (0, 1)
    assert "admitted by vLLM's engine are, id by id, those of prompts.tokens.encode" in said
    assert (step.get("timing_s/update_critic", 0) > 0) == (word == "ppo")
    assert (tmp_path / "run/global_step_1/critic").is_dir() == (word == "ppo")
