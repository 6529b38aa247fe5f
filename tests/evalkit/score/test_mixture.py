"""Several tasks in one run: the same list as in training, one lock, the rule of each task.

pytest tests/evalkit/score/test_mixture.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_in_engine import StandIn

from evalkit.engines.base import EngineOptions
from evalkit.grade.judges import Judges
from evalkit.locks.parts import lock_of, lock_parts
from evalkit.records import Completion
from evalkit.runs.by_task import accuracy_by_task
from evalkit.runs.compare_rules import compare_rules
from evalkit.runs.rescore import rescore
from evalkit.score.from_options import plan_of, rows_of
from evalkit.score.mixture import join_plans
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


GRADED = """
name = "{name}"
version = 1
kind = "chat"
rule = "python:{name}.py:grade"
user = "{{question}}"
"""


def graded(folder: Path, name: str, returned: str) -> list[str]:
    """A template of this name, whose grader returns this; the arguments that use it."""
    (folder / f"{name}@1.toml").write_text(GRADED.format(name=name))
    (folder / f"{name}.py").write_text(f"def grade(completion, gold, row):\n    return {returned}\n")
    return [name]


def test_each_task_has_its_grader(mine: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    copy = tmp_path / "theirs.jsonl"
    copy.write_text(mine.read_text().replace("plus 1", "and 1"))
    plans = [planned("sums", question_field=None, answer_field=None)]
    for path, name, returned in ((mine, "all", "True"), (copy, "none", "row['fields']['antwort'] == 'x'")):
        graded(prompts, name, returned)
        plans.append(planned(str(path), prompt=name, prompts=[prompts]))
    plan = join_plans(plans)  # the first has no grader
    run = score_model(
        plan, command="test", results=tmp_path, load=lambda _: StandIn(EngineOptions(log=tmp_path / "log"))
    )
    outcomes = {record.id: (record.outcome, bool(record.fields)) for record in run.records}
    assert [outcomes[row.id] for row in plan.task.rows[4:]] == 4 * [("correct", True)] + 4 * [("wrong", True)]
    assert not any(outcomes[row.id][1] for row in plan.task.rows[:4])
    with pytest.raises(LookupError, match=r"nobody handed in the grader python:all\.py:grade"):
        Judges(plan.lock.reading, plan.readings, plan.graders[1:])


class Writes(StandIn):
    """Writes the gold in a box, and another number after it."""

    def __init__(self, plan: RunPlan, log: Path) -> None:
        super().__init__(EngineOptions(log=log))
        self.plan = plan

    def generate(self, requests: Any, sampling: Any, stop_ids: Any) -> Iterator[Completion]:
        for request in requests:
            text = f"It is \\boxed{{{self.plan.task.rows[request.index].gold}}}, not 7."
            ids = tuple(self.plan.tokenizer.encode(text))
            yield Completion(index=request.index, sample=0, token_ids=ids, finish_reason="stop")


def test_rules_are_compared_by_task(mine: Path, tmp_path: Path) -> None:
    """`lenient` begins with the rule of the row's own task, whichever task stands first."""
    tasks = ("sums", str(mine))
    for order in (tasks, tasks[::-1]):
        plan = planned(*order)
        run = score_model(
            plan, command="test", results=tmp_path, load=lambda plan: Writes(plan, tmp_path / "log")
        )
        lenient = sum(record.lenient_outcome == "correct" for record in run.records)
        assert lenient == sum(record.outcome == "correct" for record in run.records) == 4
        (counts,) = compare_rules(run, ["lenient"]).counts.values()
        assert counts["correct"] == lenient
