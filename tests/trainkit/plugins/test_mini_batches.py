"""Leaving out groups without advantage changes no weight: verl's own worker, with and without them.

    pytest tests/trainkit/plugins/test_mini_batches.py      (one process for all tests)

What is run, and how, stands in tests/helpers/verl_worker.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from verl_worker import KEPT_TOKENS, OWN_LOG_PROBS, TEACHING

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def found(smollm2: Path) -> dict[str, Any]:
    """Gradient norms and the largest difference of weights after two training steps, by variant."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests/helpers/verl_worker.py", smollm2],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.split("FOUND")[1]))


@pytest.mark.parametrize("cuts", [1, 3])
@pytest.mark.parametrize("word", ["grpo", "dr-grpo", "gspo", "rloo"])
def test_two_steps_are_the_same_to_the_bit(found: dict[str, Any], word: str, cuts: int) -> None:
    """A micro-batch is a group here, so that what is left out adds zeros; clipping is out of the way."""
    variant = found[f"{word}, {cuts}, {TEACHING}"]
    every, less = variant["norms"]
    assert len(every) == len(less) == 2 * cuts
    assert less == pytest.approx(every, rel=1e-5)
    assert variant["difference"] == 0
    assert variant["moved"] > 1e-6
    # Cut in three, two mini-batches hold nothing that teaches: each keeps a group, and its norm is zero.
    assert variant["rows"] == [48, 24 if cuts == 1 else 32]
    assert every.count(0.0) == (0 if cuts == 1 else 2)


def test_another_divisor_would_show(found: dict[str, Any]) -> None:
    variant = found[f"grpo, 1, {KEPT_TOKENS}"]
    every, less = variant["norms"]
    assert all(other > 1.3 * norm for norm, other in zip(every, less, strict=True))
    assert variant["difference"] > 0


@pytest.mark.parametrize("word", ["grpo", "gspo"])
def test_the_first_mini_batch_needs_no_old_log_probs(found: dict[str, Any], word: str) -> None:
    variant = found[f"{word}, 3, {OWN_LOG_PROBS}"]
    assert variant["norms"][1] == pytest.approx(variant["norms"][0], rel=1e-5)
    assert variant["difference"] == 0
