"""What is compared and marked, or told: engines, number formats, limits, one prompt under two names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lettered_runs import ANSWER, made, row
from made_runs import lock_of, make_run

from evalkit.compare.curve import curve_of
from evalkit.compare.curve_table import render_curve
from evalkit.compare.diff import diff_runs, line_up
from evalkit.compare.table import ONLY_SHAPING, as_json, render_diff
from evalkit.runs.folder import Run
from prompts.errors import Mismatch

RIGHT = "c" * 30


def engine(folder: Path, called: str, **values: Any) -> Run:
    return made(folder / called, RIGHT, engine={"name": "vllm", "version": "0.24.0", **values})


@pytest.mark.parametrize(
    ("left", "right", "marks"),
    [
        ({"name": "vllm"}, {"name": "hf"}, ("other engine",)),
        ({"computes_in": "bfloat16"}, {"computes_in": "torch.float32"}, ("other number format",)),
        ({"dtype": "bfloat16"}, {"dtype": "float32"}, ("other number format",)),
        ({"name": "hf", "dtype": "float16"}, {"dtype": "float32"}, ("other engine", "other number format")),
        ({"computes_in": "bfloat16"}, {"computes_in": "torch.bfloat16"}, ()),
        ({"dtype": "auto"}, {"dtype": "float32"}, ()),
        ({"name": None}, {"name": "hf"}, ()),
    ],
)
def test_engine_and_number_format(
    tmp_path: Path, left: dict[str, Any], right: dict[str, Any], marks: tuple[str, ...]
) -> None:
    diff = diff_runs(engine(tmp_path, "a", **left), engine(tmp_path, "b", **right))
    assert diff.marks == marks
    table = render_diff(diff, "table")
    assert all(f"{mark}: " in table for mark in marks)


def test_a_limit_of_positions_counts_where_it_may_have_cut(tmp_path: Path) -> None:
    wide, wider = engine(tmp_path, "a", limit=8192), engine(tmp_path, "b", limit=32768)
    assert diff_runs(wide, wider).differences == ()
    narrow = engine(tmp_path, "c", limit=512)
    with pytest.raises(Mismatch) as caught:
        diff_runs(wide, narrow)
    assert "manifest.engine.limit: 8192 | 512" in caught.value.detail
    assert diff_runs(wide, narrow, allow_mismatch=True).marks == ("mismatch",)
    assert diff_runs(engine(tmp_path, "d"), narrow).differences == ()  # not recorded


def named(folder: Path, ref: str, text: str = "same") -> Run:
    rows = [row(i) for i in range(30)]
    template = {"ref": ref, "sha256": text, "kind": "chat", "turns_sha256": None}
    lock = replace(lock_of(rows, template=template, probe={"1": {"text": text, "ids": "1 2"}}))
    return make_run(folder, rows, lambda r, _: (ANSWER["c"] % r.gold, False), lock=lock)


def test_one_text_under_two_names_is_equal_and_told(tmp_path: Path) -> None:
    old, new = named(tmp_path / "a", "gsm8k-boxed@1"), named(tmp_path / "b", "mine@1")
    diff = diff_runs(old, new)
    said = "gsm8k-boxed@1 and mine@1 are the same text under two names"
    assert diff.differences == () and diff.marks == () and as_json(diff)["renamed"] == said
    assert said in render_diff(diff, "table")
    assert "renamed" not in as_json(diff_runs(old, named(tmp_path / "c", "gsm8k-boxed@1")))
    with pytest.raises(Mismatch, match="keys differ"):
        diff_runs(old, named(tmp_path / "d", "mine@1", "other"))


def paid(
    folder: Path, called: str, mean: float | None, outcomes: str = RIGHT, terms: str = "correct=1"
) -> Run:
    reward = None if mean is None else {"mean": mean, "of": "training step", "terms": terms}
    return made(folder / called, outcomes, reward=reward)


def test_a_shaped_reward_stands_beside_the_score(tmp_path: Path) -> None:
    half, few, many = "c" * 15 + "w" * 15, "c" * 14 + "w" * 16, RIGHT
    base, more = paid(tmp_path, "a", 0.25, half), paid(tmp_path, "b", 0.5, few)
    better, silent = paid(tmp_path, "c", 0.75, many), paid(tmp_path, "d", None, half)
    said = "reward in the training step (correct=1): a 0.250, b 0.500"
    assert f"{said}; {ONLY_SHAPING}" in render_diff(diff_runs(base, more), "table")
    shown = render_diff(diff_runs(base, better), "table")
    assert "(correct=1): a 0.250, c 0.750" in shown and ONLY_SHAPING not in shown
    assert "(correct=1): d not recorded, c 0.750" in render_diff(diff_runs(silent, better), "table")
    assert "reward" not in render_diff(diff_runs(silent, paid(tmp_path, "e", None)), "table")
    assert "reward" not in as_json(diff_runs(silent, better))["base"]
    assert as_json(diff_runs(silent, better))["new"]["reward"]["mean"] == 0.75
    curve = render_curve(curve_of(line_up([base, better, more])), "table")
    assert f"a 0.250, c 0.750, b 0.500; {ONLY_SHAPING}" in curve


def test_rewards_of_other_terms_are_not_compared(tmp_path: Path) -> None:
    base = paid(tmp_path, "a", 0.25)
    other = paid(tmp_path, "b", 0.5, terms="correct=1 format=0.1")
    shown = render_diff(diff_runs(base, other), "table")
    assert "reward: a 0.250 (training step, correct=1), b 0.500 (training step, correct=1 form" in shown
    assert ONLY_SHAPING not in shown
