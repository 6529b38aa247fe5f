"""Several tasks in one run: the same list as in training, one lock, the rule of each task.

pytest tests/evalkit/score/test_mixture.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.locks.parts import lock_of, lock_parts
from evalkit.runs.by_task import accuracy_by_task
from evalkit.runs.rescore import rescore
from evalkit.score.from_options import plan_of, rows_of
from evalkit.score.options import ScoreOptions
from evalkit.score.pipeline import score_model
from evalkit.score.plan import RunPlan
from prompts.errors import UserError


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.jsonl"
    rows = [{"frage": f"What is {n} plus 1?", "antwort": str(n + 1)} for n in range(200, 204)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def planned(*tasks: str, **options: Any) -> RunPlan:
    asked = {"question_field": ["frage"], "answer_field": ["antwort"], "limit": 4, **options}
    return plan_of(ScoreOptions(model=["smollm2-135m"], task=list(tasks), max_tokens=12, **asked))


def test_one_lock_holds_all_parts(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned("sums*2", str(mine))
    assert "sums*2: weights are of training" in capsys.readouterr().err
    alone = planned("sums", question_field=None, answer_field=None)
    assert [part.task for part in lock_parts(plan.lock)] == ["sums", "mine"]
    assert lock_of(plan.lock, "sums") == alone.lock
    assert "parts" not in alone.lock.data and "parts" not in alone.lock.reading
    assert len(plan.prompts) == len(plan.rules) == len(plan.task.rows) == 8
    assert plan.rule_of(0) != plan.rule_of(7) == "boxed@" + plan.rule_of(7).partition("@")[2]


def test_the_same_row_twice_is_scored_once(mine: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_text(mine.read_text())
    plan = planned(str(mine), str(copy))
    assert len({row.id for row in plan.task.rows}) == 8
    assert [bool(row.problem) for row in plan.task.rows] == [False] * 4 + [True] * 4
    with pytest.raises(UserError, match="names mine twice"):
        planned(str(mine), str(mine))
    with pytest.raises(UserError, match="takes one --task, 2 are named"):
        rows_of(ScoreOptions(model=["smollm2-135m"], task=["sums", str(mine)]))


@pytest.mark.engine
def test_each_task_is_read_by_its_rule(mine: Path, tmp_path: Path, vllm_engine: Any) -> None:
    plan = planned("sums", str(mine))
    run = score_model(plan, command="test", results=tmp_path, load=lambda _: vllm_engine)
    rules = {record.id: record.extraction.rule for record in run.records}
    assert [rules[row.id] for row in plan.task.rows] == list(plan.rules)
    assert {task: total for task, (_, total) in accuracy_by_task(run).items()} == {"sums": 4, "mine": 4}
    again = rescore(run, rule=None, command="test", output=tmp_path / "again")
    assert [r.outcome for r in again.records] == [r.outcome for r in run.records]
    assert again.lock.reading["parts"].keys() == {"mine"}
