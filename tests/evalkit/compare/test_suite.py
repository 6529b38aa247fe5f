"""Suites: each task as its own comparison, the macro average and its interval, gates by task.

pytest tests/evalkit/compare/test_suite.py
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_runs import completion, gsm8k_rows, lock_of, make_run, needs_gsm8k
from typer.testing import CliRunner

from evalkit.cli.app import app
from evalkit.compare.diff import diff_runs, line_up
from evalkit.compare.measures import Estimate
from evalkit.compare.suite.by_task import Suite, _mean, suite_of
from evalkit.compare.suite.gates import check_suite, read_gates
from evalkit.locks.parts import join_locks
from evalkit.records import Row
from evalkit.runs.folder import Run
from evalkit.stats.pairs import holm, tango
from prompts.errors import Failed, UserError
from prompts.lock import Lock

TASKS = {"alpha": slice(0, 300), "beta": slice(300, 360), "gamma": slice(360, 500)}


def of_task(name: str, rows: tuple[Row, ...]) -> Lock:
    lock = lock_of(rows)
    return replace(lock, data={**lock.data, "task": name})


def made(root: Path, step: int, rows: tuple[Row, ...]) -> Run:
    lock = join_locks([of_task(name, rows[part]) for name, part in TASKS.items()])
    return make_run(root / f"step_{step}", rows, lambda row, _: completion(row, step), lock=lock)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    root = tmp_path_factory.mktemp("suite")
    rows = gsm8k_rows(500)
    return made(root, 0, rows), made(root, 100, rows)


def suite_between(*runs: Run) -> Suite:
    suite = suite_of(line_up(runs))
    assert suite is not None
    return suite


pytestmark = needs_gsm8k


def test_each_task_is_compared_as_if_it_were_alone(runs: tuple[Run, Run], tmp_path: Path) -> None:
    suite = suite_between(*runs)
    assert [part.task for part in suite.tasks] == list(TASKS)
    rows = gsm8k_rows(500)
    alone = []
    for name, part in TASKS.items():
        pair = [
            make_run(tmp_path / f"{name}-{step}", rows[part], lambda row, _, step=step: completion(row, step))
            for step in (0, 100)
        ]
        alone.append(diff_runs(*pair))
    for part, diff in zip(suite.tasks, alone, strict=True):
        for key in ("n", "delta", "ci", "p_value", "fixed", "broken", "skill_gain", "format_gain"):
            assert getattr(part.diff, key) == getattr(diff, key)
    assert [part.p_value for part in suite.tasks] == holm([diff.p_value for diff in alone])
    assert suite.macro.delta == pytest.approx(np.mean([diff.delta for diff in alone]))
    assert suite.macro.new.value == pytest.approx(np.mean([diff.new.accuracy for diff in alone]))
    whole = diff_runs(*runs)
    assert suite.macro.delta != pytest.approx(whole.delta)  # tasks weigh alike, questions do not


def test_a_suite_against_itself_is_zero(runs: tuple[Run, Run]) -> None:
    suite = suite_between(runs[0], runs[0])
    assert {part.diff.delta for part in suite.tasks} == {0} and suite.macro.delta == 0
    assert suite.macro.p_value == 1 and {part.p_value for part in suite.tasks} == {1}
    assert suite.macro.ci.low < 0 < suite.macro.ci.high


def test_runs_of_one_task_are_no_suite(tmp_path: Path) -> None:
    rows = gsm8k_rows(20)
    pair = [make_run(tmp_path / f"{s}", rows, lambda row, _, s=s: completion(row, s)) for s in (0, 50)]
    assert suite_of(line_up(pair)) is None


def test_the_macro_interval_covers(tmp_path: Path) -> None:
    """A simulation: the true mean difference of three tasks of unlike sizes lies inside in about 95 %."""
    drawn = np.random.default_rng(3)
    tasks = ((400, 0.12, 0.06), (60, 0.2, 0.1), (150, 0.02, 0.05))
    truth = np.mean([up - down for _, up, down in tasks])
    inside = 0
    for _ in range(2000):
        parts = []
        for n, up, down in tasks:
            fixed, broken, _ = drawn.multinomial(n, (up, down, 1 - up - down))
            parts.append(Estimate((fixed - broken) / n, tango(int(fixed), int(broken), n)))
        ci = _mean(parts).ci
        inside += ci.low <= truth <= ci.high
    assert 0.94 <= inside / 2000 <= 0.965


def gates_file(folder: Path, text: str) -> Path:
    path = folder / "gates.toml"
    path.write_text(text)
    return path


def test_gates_by_task(runs: tuple[Run, Run], tmp_path: Path) -> None:
    better, worse = suite_between(*runs), suite_between(runs[1], runs[0])
    keep = read_gates(
        gates_file(tmp_path, "[default]\nfail_if_worse = 1\n[tasks.alpha]\nrequire_better = true\n")
    )
    check_suite(keep, better)
    with pytest.raises(Failed, match=r"^alpha: gate: not shown to be better"):
        check_suite(keep, worse)
    strict = read_gates(gates_file(tmp_path, "tasks.alpha.fail_if_worse = 0\nmacro.fail_if_worse = 0\n"))
    with pytest.raises(Failed, match=r"alpha: gate: step_0 is worse than step_100.*; macro average: gate"):
        check_suite(strict, worse)
    check_suite(read_gates(gates_file(tmp_path, "[macro]\nfail_if_worse = 100\n")), worse)
    with pytest.raises(UserError, match="names task delta, the runs hold alpha, beta, gamma"):
        check_suite(read_gates(gates_file(tmp_path, "[tasks.delta]\nfail_if_worse = 1\n")), better)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no gate"),
        ("[default]\n", "holds no gate"),
        ("[defualt]\nfail_if_worse = 1\n", r"no section \[defualt\]"),
        ("[default]\nfail_if_wrose = 1\n", "no key fail_if_wrose"),
        ("[default]\nfail_if_worse = -1\n", "points from 0 to 100"),
        ("[default]\nfail_if_worse = true\n", "points from 0 to 100"),
        ("[default]\nfail_if_worse = nan\n", "points from 0 to 100"),
        ("[macro]\nrequire_better = 1\n", "true and false"),
        ("tasks = 3\n", "write a section a task"),
        ("[tasks]\nalpha = 2\n", "is no section"),
        ("fail_if_worse = \n", "is no TOML"),
    ],
)
def test_files_that_are_no_gates(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_gates(gates_file(tmp_path, text))


def test_the_command_prints_tasks_and_keeps_gates(runs: tuple[Run, Run], tmp_path: Path) -> None:
    pair = [str(run.folder) for run in runs]
    shown = CliRunner().invoke(app, ["diff", *pair])
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert sum(line.strip().startswith(tuple(TASKS)) for line in lines) == 3
    assert any("macro average" in line and "3 tasks" in line for line in lines)
    found = json.loads(CliRunner().invoke(app, ["diff", *pair, "--format", "json"]).stdout)
    assert [part["task"] for part in found["suite"]["tasks"]] == list(TASKS)
    assert found["n"] == 500 == sum(part["n"] for part in found["suite"]["tasks"])
    csv = CliRunner().invoke(app, ["diff", *pair, "--format", "csv"]).stdout.splitlines()
    assert [line.split(",")[0] for line in csv] == ["task", "all", *TASKS]
    gates = str(gates_file(tmp_path, "[default]\nfail_if_worse = 0\n"))
    assert CliRunner().invoke(app, ["diff", *pair, "--gates", gates]).exit_code == 0
    failed = CliRunner().invoke(app, ["diff", *reversed(pair), "--gates", gates])
    assert isinstance(failed.exception, Failed) and "alpha: gate" in str(failed.exception)


def test_the_report_shows_the_gain_of_each_task(runs: tuple[Run, Run]) -> None:
    from evalkit.report.collect import collect
    from evalkit.report.page import render_page

    page = collect(list(runs), {}, "none known")
    assert page.by_task is not None
    assert [line[0] for line in page.by_task.lines] == [*TASKS, "macro average"]
    suite = suite_between(*runs)
    assert [line[4] for line in page.by_task.lines[:3]] == [
        f"{100 * part.diff.delta:+.1f}" for part in suite.tasks
    ]
    html = render_page(page)
    assert "Gain by task" in html and all(f'<th scope="row">{task}</th>' in html for task in TASKS)
    assert collect([runs[0]], {}, "none known").by_task is None
