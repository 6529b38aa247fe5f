"""`trainkit audit`: advantages as verl takes them, and answers that another rule disputes.

pytest tests/trainkit/diagnose/test_audit.py
"""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from made_training_runs import made_rollout, make_run
from rich.console import Console

from trainkit.diagnose.audit import advantages, audit, loophole, reward_without_score
from trainkit.runs.folder import TrainingRun
from trainkit.runs.job import ShapedReward, write_job
from trainkit.runs.rollout import FILE_NAME, Rollout, as_line, read_rollouts
from trainkit.watch.watch import watch


def lines(*rewards: float, group: int = 4) -> list[Rollout]:
    return [made_rollout(id=str(n // group), reward=reward) for n, reward in enumerate(rewards)]


def test_advantages_are_those_of_verl() -> None:
    torch = pytest.importorskip("torch")
    rewards = [1.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 0.0]
    expected = []
    for group in (rewards[:4], rewards[4:]):
        values = torch.tensor(group)
        expected += ((values - values.mean()) / (values.std() + 1e-6)).abs().tolist()
    assert advantages(lines(*rewards), "grpo") == pytest.approx(expected, abs=1e-5)
    assert advantages(lines(1.0, 0.0, group=2), "dr-grpo") == [0.5, 0.5]
    assert advantages(lines(1.0, 0.0, 0.0, 0.0, group=1), "reinforce++") == [0.75, 0.25, 0.25, 0.25]


def planted(folder: Path) -> TrainingRun:
    """A rule that takes a bare number anywhere: half of what it pays is no answer to the question."""
    right, loose = ("The answer is 4.", "4", False), ("4 and 5 and 6, so 7", "4", False)
    wrong = ("The answer is 9.", "4", False)
    run = make_run(folder, rollouts=[[right, wrong, loose, wrong]] * 3, steps=[{}] * 3, rule="last-number@1")
    path = folder / "rollouts.jsonl"
    rollouts = [json.loads(line) for line in path.read_text().splitlines()]
    for line in rollouts:
        line["outcome"] = "correct" if line["gold"] in line["text"] else "wrong"
        line["reward"] = float(line["outcome"] == "correct")
    path.write_text("".join(json.dumps(line) + "\n" for line in rollouts))
    return run


def test_a_planted_loophole_is_named(tmp_path: Path) -> None:
    run = planted(tmp_path / "run")
    steps = audit(run)
    assert [step.step for step in steps] == [1, 2, 3]
    for step in steps:
        assert step.share(credited=True) == pytest.approx(0.25)
        assert step.share(credited=False) == 0
        assert [entry.rollout.text for entry in step.disputed] == ["4 and 5 and 6, so 7"]
    found = loophole(run)
    assert found is not None and found.cause == "loophole" and "so 7" in found.evidence


def test_an_honest_rule_is_not_accused(tmp_path: Path) -> None:
    right, wrong = ("So it is \\boxed{4}.", "4", False), ("So it is \\boxed{5}.", "4", False)
    run = make_run(tmp_path / "run", rollouts=[[right, wrong]] * 3, steps=[{}] * 3)
    assert [step.disputed for step in audit(run)] == [[], [], []]
    assert loophole(run) is None
    by_another = audit(run, ["hash"])  # reads neither: what was right is disputed
    assert [len(step.disputed) for step in by_another] == [1, 1, 1]


def test_each_task_is_audited_as_it_was_read(tmp_path: Path) -> None:
    """The rule that is named is that of the task, and no box in unfinished thinking is an answer."""
    run = planted(tmp_path / "run")
    first = msgspec.structs.replace(run.job.part("a"), source="a")
    thinks = {"version": 2, "opens": "<think>", "special": []}
    second = msgspec.structs.replace(first, source="b", rule="boxed@3", thinking=thinks)
    run.job = msgspec.structs.replace(run.job, rule="boxed@3", parts=[second, first])
    rollouts = [msgspec.structs.replace(line, source="a") for line in read_rollouts(run.folder)]
    for n in range(4):
        text = f"Perhaps \\boxed{{{n + 3}}}, let me see"
        rollouts.append(
            made_rollout(source="b", text=text, outcome="no_answer", sample=n, reward=float(n == 1))
        )
    (run.folder / FILE_NAME).write_bytes(b"".join(map(as_line, rollouts)))
    assert {entry.rollout.source for step in audit(run) for entry in step.disputed} == {"a"}
    found = loophole(run)
    assert found is not None and "The rule last-number@1 pays" in found.sentence


def test_a_reward_that_rises_without_the_score(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steps=[{}] * 6)
    run.job = msgspec.structs.replace(run.job, reward=ShapedReward(terms=()))
    for number, line in enumerate(run.metrics):
        line |= {"trainkit/reward": 0.1 + 0.1 * number, "trainkit/acc": 0.3}
    found = reward_without_score(run)
    assert found is not None and "the score does not" in found.sentence
    for number, line in enumerate(run.metrics):
        line["trainkit/acc"] = 0.1 + 0.09 * number
    assert reward_without_score(run) is None


def test_watch_says_that_the_shaping_is_learned(tmp_path: Path) -> None:
    """From the files alone, as of a run that ended."""
    run = make_run(tmp_path / "run", steps=[{}] * 6)
    write_job(msgspec.structs.replace(run.job, reward=ShapedReward(terms=())), run.folder)
    path = run.folder / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for number, line in enumerate(lines):
        line |= {"trainkit/reward": 0.1 + 0.1 * number, "trainkit/acc": 0.3}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shown = StringIO()
    watch(run.folder, score=False, console=Console(file=shown, width=200))
    assert "the model learns the shaping, not the task. `trainkit doctor run` says more." in shown.getvalue()
