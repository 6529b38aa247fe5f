"""Several runs: each against the first and the one before, adjusted together; the best one with its remark.

pytest tests/evalkit/compare/test_curve.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lettered_runs import evalkit, made, unlike
from made_runs import evalkit as in_folder
from statsmodels.stats.multitest import multipletests

from evalkit.compare.curve import CHOSEN_HERE, curve_of
from evalkit.compare.curve_table import draw, render_curve
from evalkit.compare.diff import diff_runs, line_up
from evalkit.runs.folder import Run
from prompts.errors import Mismatch

TEXTS = ("c" * 20 + "w" * 80, "c" * 28 + "w" * 72, "c" * 26 + "w" * 74, "w" * 10 + "c" * 50 + "w" * 40)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    return [made(tmp_path / f"run{i}", text) for i, text in enumerate(TEXTS)]


def test_every_step_against_the_first_and_the_one_before(runs: list[Run]) -> None:
    curve = curve_of(line_up(runs))
    assert [s.diff for s in curve.against_first] == [diff_runs(runs[0], run) for run in runs[1:]]
    assert [s.diff for s in curve.against_previous] == [diff_runs(*runs[i : i + 2]) for i in (1, 2)]
    assert curve.tests == 2 * len(runs) - 3
    steps = [*curve.against_first, *curve.against_previous]
    adjusted = multipletests([s.diff.p_value for s in steps], method="holm")[1]
    assert [s.p_value for s in steps] == pytest.approx(adjusted, abs=1e-12)


def test_the_verdict_rests_on_the_adjusted_p(runs: list[Run]) -> None:
    curve = curve_of(line_up(runs))
    # The third against the first: 6 fixed, p 0.031 alone, not after five tests.
    third = curve.against_first[1]
    assert third.diff.p_value < 0.05 < third.p_value
    assert third.as_dict()["verdict"] == "undecided"


def test_the_best_is_marked_and_the_remark_is_made(runs: list[Run]) -> None:
    text = render_curve(curve_of(line_up(runs)), "table")
    assert [line.split()[0] for line in text.splitlines() if " * " in line] == ["run3"]
    assert CHOSEN_HERE.format(k=4) in text
    values = json.loads(render_curve(curve_of(line_up(runs)), "json"))
    assert (values["best"], values["remark"]) == ("run3", CHOSEN_HERE.format(k=4))
    lead, alone = values["best_lead"], values["against_first"][-1]
    assert lead["value"] == alone["delta"] and lead["ci"][1] == alone["ci"][1]
    assert lead["ci"][0] < alone["ci"][0] and values["best_accuracy"]["ci"][0] < values["runs"][3]["ci"][0]


def test_the_best_can_be_chosen_on_other_questions(tmp_path: Path) -> None:
    """The best on validation is not the most accurate here; its interval is the plain one."""
    for i, text in enumerate(TEXTS):
        model = {"name": f"demo:step_{i}", "path": None, "weights_sha256": f"{i}", "revision": None}
        made(tmp_path / f"test{i}", text, model=model)
        validated = "c" * (30 - 5 * abs(i - 1)) + "w" * 20
        made(tmp_path / f"val{i}", validated.ljust(60, "w"), first=500, split="validation", model=model)
    runs = [f"test{i}" for i in range(4)]
    environment = {"cwd": tmp_path, "EVALKIT_RESULTS": str(tmp_path)}
    done = in_folder("diff", *runs, "--choose-on", "validation", "--format", "json", **environment)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["best"] == "test1" and "gsm8k validation (60 questions)" in values["remark"]
    assert values["best_lead"]["ci"] == values["against_first"][0]["ci"]
    refusal = in_folder("diff", *runs[:3], "--choose-on", "train", **environment)
    assert refusal.returncode == 2 and "--split train" in refusal.stderr


def test_equally_good_runs_the_earliest_is_best(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, "cw") for name in "abc"]
    assert curve_of(line_up(runs)).best == 0


def test_drawing_of_equal_certain_runs_does_not_divide_by_zero(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, "cc", "cc") for name in "abc"]
    assert len(draw(curve_of(line_up(runs)).sides).splitlines()) == 4


def test_subsets_are_compared_on_what_all_hold(tmp_path: Path) -> None:
    runs = [made(tmp_path / "a", "cwcw"), made(tmp_path / "b", "cccw"), made(tmp_path / "c", "cc")]
    with pytest.raises(Mismatch, match="--common"):
        line_up(runs)
    assert curve_of(line_up(runs, common=True)).n == 2


def test_one_unlike_run_is_named(tmp_path: Path) -> None:
    a, b = unlike(tmp_path)
    c = made(tmp_path / "c", "w" * 30)
    with pytest.raises(Mismatch, match=r"^b cannot be compared with a"):
        line_up([a, c, b])
    curve = curve_of(line_up([a, c, b], allow_mismatch=True))
    assert [step.diff.marks for step in curve.against_first] == [(), ("mismatch", "overlap")]
    assert curve.against_previous[0].diff.marks == ("mismatch", "overlap")


def test_command_line(runs: list[Run]) -> None:
    folders = [run.folder for run in runs]
    done = evalkit("diff", *folders, "--require-better")
    assert done.returncode == 0 and "run3 is better than run0" in done.stdout
    assert evalkit("diff", *folders[::-1], "--fail-if-worse").returncode == 1
    rows = evalkit("diff", *folders, "--rows", "fixed")
    assert (rows.returncode, rows.stderr) == (2, "error: --rows shows two runs side by side, 4 were given\n")
