"""Leaving out groups without advantage changes no weight: verl's own worker, with and without them.

    pytest tests/trainkit/plugins/test_steps.py      (one process for all tests, about a minute)

What is run, and how, stands in tests/helpers/verl_worker.py and verl_trainer.py.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from verl_worker import KEPT_TOKENS, OWN_LOG_PROBS, TEACHING

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def both(smollm2: Path) -> dict[str, Any]:
    """What the process found: of the worker's updates, and of all steps of the trainer."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests/helpers/verl_trainer.py", smollm2],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.split("FOUND")[1]))


@pytest.fixture(scope="module")
def found(both: dict[str, Any]) -> dict[str, Any]:
    """Gradient norms and the largest difference of weights after two training steps, by variant."""
    return dict(both["worker"])


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


SAME = ("score", "rewards", "advantages", "returns")


@pytest.mark.parametrize("word", ["grpo, 2", "gspo, 2", "grpo, 1"])
def test_the_trainers_steps_change_neither_weights_nor_what_metrics_mean(
    both: dict[str, Any], word: str
) -> None:
    """Through a real TransferQueue, against verl's own steps: half is left out, and all of it is counted."""
    step = both["trainer"][word]
    every, less = step["metrics"]
    assert step["difference"] == 0
    assert step["trained"] == [24, 12] and step["left_in_queue"] == [0, 0]
    assert less["actor/grad_norm"] == pytest.approx(every["actor/grad_norm"], rel=1e-5)
    assert less["actor/pg_loss"] == pytest.approx(every["actor/pg_loss"], abs=1e-6)
    for name in [f"critic/{what}/{of}" for what in SAME for of in ("mean", "max", "min")]:
        assert less[name] == pytest.approx(every[name], abs=1e-6), name
    counted = [n for n in every if n.startswith(("response_length/", "prompt_length/", "num_turns/"))]
    assert counted and all(less[name] == every[name] for name in counted)
    # Of a sample of all answers: here of all. verl's own is that of the answers that are trained on.
    assert less["actor/entropy"] == pytest.approx(every["actor/entropy"], rel=1e-5)
    assert less["perf/total_num_tokens"] == every["perf/total_num_tokens"]
    # verl averages it over micro-batches, whose sizes differ here: by tokens it would be equal.
    assert less["actor/pg_clipfrac"] == pytest.approx(every["actor/pg_clipfrac"], rel=0.3)


@pytest.mark.parametrize("gpus", [1, 2, 3])
def test_gpus_share_each_mini_batch_and_the_first_has_no_old_log_probs(
    both: dict[str, Any], gpus: int
) -> None:
    """Mini-batches of 8 and 4 rows: three GPUs get padding, whose rows are filled like any other."""
    step = both["shared"][str(gpus)]
    sizes, ranks, first, second = step["sizes"], step["ranks"], *step["mini_batches"]
    assert sizes == [math.ceil(len(part) / gpus) for part in (first, second)]
    assert all(len(rank) == sum(sizes) for rank in ranks)
    padding = set(step["padding"])
    for part, place in ((first, slice(0, sizes[0])), (second, slice(sizes[0], None))):
        assert sorted(key for rank in ranks for key in rank[place] if key not in padding) == sorted(part)
    assert len(padding) == gpus * sum(sizes) - len(first) - len(second)
    # A row of padding is longer than these answers.
    assert padding or max(step["tokens"]) < 1.5 * min(step["tokens"])
    unknown = {key for rank in ranks for key in rank[: sizes[0]]}
    assert set(step["unknown"]) == unknown
    assert set(step["known"]) == {key for rank in ranks for key in rank} - unknown
    assert step["entropy"] == pytest.approx(both["shared"]["1"]["entropy"], rel=1e-5)
