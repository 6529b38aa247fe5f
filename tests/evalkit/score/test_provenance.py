"""The shaped reward of a checkpoint's step, from what its training run left.

pytest tests/evalkit/score/test_provenance.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.runs.section import PaidReward
from evalkit.score.provenance import paid_reward
from prompts.errors import UserError

TERMS = [{"name": "correct", "weight": 1.0, "at": None}, {"name": "length", "weight": -0.2, "at": 12}]


def checkpoint(run: Path, reward: Any, step: int = 2, metrics: str = "") -> str:
    folder = run / f"global_step_{step}"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"step": step, "reward": reward}))
    if metrics:
        (run / "metrics.jsonl").write_text(metrics)
    return str(folder)


def test_the_reward_is_that_of_the_step(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"step": n, "trainkit/reward": n / 4}) + "\n" for n in range(1, 4))
    found = paid_reward(checkpoint(tmp_path, {"terms": TERMS}, metrics=lines + '{"step": 2, "tor'))
    assert found == PaidReward(mean=0.5, of="training step", terms="correct=1 length=-0.2@12")
    file = {"rule": "python:mine.py:reward", "sha256": "0123456789abcdef"}
    found = paid_reward(checkpoint(tmp_path, {"terms": TERMS[:1], "file": file}, step=3))
    assert found is not None and found.terms == "correct=1 [0123456789ab]"


def test_what_is_not_recorded_is_none(tmp_path: Path) -> None:
    assert paid_reward("smollm2-135m") is None
    assert paid_reward(checkpoint(tmp_path / "score", None)) is None
    alone = Path(checkpoint(tmp_path / "alone", {"terms": TERMS}))
    assert paid_reward(str(alone)) is None
    other = Path(
        checkpoint(tmp_path / "run", {"terms": TERMS}, metrics='{"step": 2, "trainkit/reward": 1}\n')
    )
    moved = other.rename(other.with_name("merged"))
    assert paid_reward(str(moved)) is None


@pytest.mark.parametrize("reward", ["much", {"terms": [{"name": "correct"}]}, [1], {"terms": 3}])
def test_a_manifest_that_was_edited(tmp_path: Path, reward: Any) -> None:
    with pytest.raises(UserError, match="its reward is"):
        paid_reward(checkpoint(tmp_path, reward))
