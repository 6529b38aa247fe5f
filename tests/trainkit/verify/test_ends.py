"""The paired comparison at the end of a run, from the completions of its own validations.

pytest tests/trainkit/verify/test_ends.py
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
from made_training_runs import made_job, made_rollout

from evalkit.grade.judge import Judge
from evalkit.models.resolve import find_model_files
from evalkit.runs.folder import read_run
from prompts.errors import UserError
from trainkit.data.dataset import write_dataset
from trainkit.data.inputs import find_inputs
from trainkit.options import Options
from trainkit.plugins.reward import compute
from trainkit.runs.job import write_job
from trainkit.verify.ends import COMPARISON, compare_ends, paid_and_scored


@pytest.fixture
def run(smollm2: Path, tmp_path: Path) -> Path:
    """A run's folder with real data and lock, before any rollout."""
    folder = tmp_path / "demo"
    options = Options(model=str(smollm2), task="sums", prompt_length=64, response_length=16)
    dataset = write_dataset(find_inputs(options, find_model_files(options.model)), folder)
    write_job(
        made_job(
            model_folder=str(smollm2),
            fingerprint=dataset.lock.fingerprint,
            template=dataset.lock.template,
            rule=dataset.lock.rule,
            response_length=16,
            total_steps=4,
            rows=dict(dataset.counts),
        ),
        folder,
    )
    return folder


def validate(folder: Path, step: int, right: Callable[[int], bool]) -> int:
    """Log a validation in which the rows that `right` names are answered correctly; returns their number."""
    rows = pyarrow.parquet.read_table(folder / "validation.parquet").to_pylist()
    rule = json.loads((folder / "train.json").read_text())["rule"]
    with (folder / "rollouts.jsonl").open("a") as file:
        for number, row in enumerate(rows):
            gold, info = row["reward_model"]["ground_truth"], row["extra_info"]
            text = f"The sum is {gold}." if right(number) else "The sum is 999."
            reward = compute(text, gold, Judge(rule))
            line = {
                "step": step, "validate": True, "id": info["id"], "sample": 0, "question": info["question"],
                "gold": gold, "text": text, "reward": reward.value, "outcome": reward.outcome,
                "reason": reward.reason, "lenient_outcome": reward.lenient, "truncated": False,
                "completion_tokens": 7, "hook_seconds": 0.0001,
            }  # fmt: skip
            file.write(json.dumps(line) + "\n")
    return sum(map(right, range(len(rows))))


def test_base_and_last_are_compared_question_by_question(run: Path) -> None:
    few = validate(run, 0, lambda number: number % 4 == 0)
    many = validate(run, 4, lambda number: number % 4 != 1)
    text = compare_ends(run)
    assert "step_4 is better than step_0" in text
    stored = json.loads((run / COMPARISON).read_text())["comparisons"]
    assert len(stored) == 1
    n = stored[0]["n"]
    assert stored[0]["delta"] == pytest.approx((many - few) / n)
    assert stored[0]["broken"] == 0
    assert stored[0]["fixed"] == many - few
    record = read_run(run / "validation/step_0").records[0]
    assert 20 < record.prompt_tokens < 64
    assert record.extraction.answer is not None


def test_the_best_step_is_shown_with_its_bias(run: Path) -> None:
    for step, every in ((0, 4), (2, 1), (4, 2)):
        validate(run, step, lambda number, every=every: number % every == 0)
    text = compare_ends(run)
    assert "step_2" in text and "step_4" in text
    assert "biased upward" in text
    assert len(json.loads((run / COMPARISON).read_text())["comparisons"]) == 2


def test_asking_twice_gives_the_same(run: Path) -> None:
    validate(run, 0, lambda number: number % 4 == 0)
    validate(run, 4, lambda number: number % 2 == 0)
    assert compare_ends(run) == compare_ends(run)


def test_one_validation_is_nothing_to_compare(run: Path) -> None:
    validate(run, 0, lambda number: True)
    with pytest.raises(UserError, match="two are needed"):
        compare_ends(run)


def test_a_reward_that_rose_without_the_score_is_called_so() -> None:
    base = [made_rollout(reward=reward, outcome="wrong") for reward in (0.0, 0.1)]
    paid = [made_rollout(reward=reward, outcome="wrong") for reward in (0.3, 0.3)]
    better = [made_rollout(reward=1.3, outcome="correct"), *paid[1:]]
    said = "the reward rose and the score did not, so the model learned the shaping, not the task"
    assert paid_and_scored(base, paid) == f"reward 0.050 to 0.300, score 0.000 to 0.000 (greedy): {said}"
    assert paid_and_scored(base, better) == "reward 0.050 to 0.800, score 0.000 to 0.500 (greedy)"
    assert said not in paid_and_scored(paid, base)
