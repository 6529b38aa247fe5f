"""Somebody's own data, prompt and reward: the block of the docs, and one real run with its resume.

pytest tests/trainkit/test_own_data.py        (the run, tests/trainkit/conftest.py, takes minutes)

The rule of the run has a planted loophole: a grader that takes any number anywhere in the text, under a
prompt that makes the model say both numbers of the question. `audit` and `doctor` must name it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from own_run import OWN
from places import ROOT

from evalkit.locks.parts import lock_parts
from prompts.lock import read_lock

PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": PATH}


def trainkit(*arguments: str, cwd: Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "trainkit", *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == code, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_the_block_of_the_docs_works_as_it_stands(tmp_path: Path) -> None:
    """Pasted into a shell; only the training itself is left out (`--dry-run`)."""
    (block,) = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/training-your-own.md").read_text(), re.DOTALL)
    made, training = block.split("trainkit grpo", 1)
    command = training.split("trainkit audit")[0].replace("\\\n", " ")
    script = f"{made}\n{sys.executable} -m trainkit grpo --dry-run --device cpu {command}"
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "smollm2-135m on mine.jsonl under hinted@1" in done.stdout
    assert "80 training rows, 20 for validation" in done.stdout
    assert "reward: correct=1 length=-0.2@12 file=1; the score stays what counts" in done.stdout
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--model and --task are missing"),
        (["--model", "smollm2-135m"], "--task is missing"),
        (["--model", "smollm2-135m", "--task", "sums*0"], "a number above 0"),
        (["--model", "smollm2-135m", "--task", "sums*1e9"], "at most 1,000"),
        (["--model", "smollm2-135m", "--task", "sums*1e-9", "--steps", "1"], "keeps none of its"),
        (["--model", "smollm2-135m", "--task", "sums", "--reward", "correct=0"], "other than 0"),
        (["--model", "smollm2-135m", "--task", "sums", "--reward-file", "no.py:f"], "no file no.py"),
        (
            ["--model", "smollm2-135m", "--task", "sums", "--save-every", "often"],
            "a number of steps or a time",
        ),
    ],
)
def test_wrong_input_is_one_sentence_and_no_folder(tmp_path: Path, arguments: list[str], says: str) -> None:
    said = trainkit("grpo", "--device", "cpu", *arguments, cwd=tmp_path, code=2)
    assert says in said and len(said.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "runs"])
    assert not list(tmp_path.glob("runs/*"))


@pytest.fixture(scope="module")
def own(resumed: tuple[Path, str]) -> Path:
    """The folder in which the run was started."""
    return resumed[0].parent.parent


@pytest.mark.train
def test_score_and_reward_stand_side_by_side(own: Path) -> None:
    run = own / "runs/own"
    rollouts = [json.loads(line) for line in (run / "rollouts.jsonl").read_text().splitlines()]
    trained = [line for line in rollouts if not line["validate"]]
    assert {line["source"] for line in rollouts if line["validate"]} == {"dev"}
    assert {line["source"] for line in trained} <= {"mine", "theirs"} and len(trained) >= 32
    for line in trained:
        terms = line["terms"]
        assert line["reward"] == pytest.approx(sum(terms.values()))
        assert terms["correct"] == (line["outcome"] == "correct")
        assert terms["file"] == pytest.approx(0.1 * ("," in line["text"]))
        assert terms["length"] == pytest.approx(-0.2 * max(0, line["completion_tokens"] - 12) / 12)
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == [0, 1, 2]
    for line in metrics[1:]:
        mine = [entry for entry in trained if entry["step"] == line["step"]]
        assert line["trainkit/reward"] == pytest.approx(sum(entry["reward"] for entry in mine) / len(mine))
    job = json.loads((run / "train.json").read_text())
    manifest = json.loads((run / "global_step_2/manifest.json").read_text())
    file = job["reward"]["file"]
    assert file["rule"] == "python:../../mine.py:reward" and len(file["sha256"]) == 64  # as seen from the run
    assert manifest["reward"] == {**job["reward"], "file": {**file, "rule": "python:mine.py:reward"}}
    lock = read_lock(run / "global_step_2")
    assert lock is not None and [(part.task, part.weight) for part in lock_parts(lock)] == [
        ("mine", 2.0),
        ("theirs", 1.0),
    ]


@pytest.mark.train
def test_the_planted_loophole_is_named(own: Path) -> None:
    steps = json.loads(trainkit("audit", "own", "--format", "json", cwd=own))
    assert [step["step"] for step in steps] == [1, 2]
    assert any(step["credited"] > 0.02 for step in steps)
    found = json.loads(trainkit("doctor", "own", "--format", "json", cwd=own))
    assert "loophole" in [finding["cause"] for finding in found]


@pytest.mark.train
def test_another_file_does_not_resume_it(own: Path) -> None:
    before = (own / "mine.py").read_text()
    (own / "mine.py").write_text(before + "\n")
    try:
        said = trainkit("grpo", *OWN, "--steps", "3", cwd=own, code=3)
        assert "the reward of own is not the one with which it began" in said
    finally:
        (own / "mine.py").write_text(before)


@pytest.mark.train
@pytest.mark.slow  # it loads vLLM once more
def test_verl_and_evalkit_agree_about_the_score(own: Path) -> None:
    said = trainkit("agree", "own", "--step", "2", cwd=own)
    assert "same outcome" in said and "6 of 6" in said
