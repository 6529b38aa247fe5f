"""Score until it is decided: stops early, is no complete run, decides the same after a kill, is filled up.

    pytest tests/evalkit/score/test_until.py

The answers are given by the test, so that it knows what has to be decided; plan, tokenizer, reading, files
and decisions are the real ones. `make demo-train` decides between real models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.compare.diff import diff_runs
from evalkit.engines.base import Request
from evalkit.models.resolve import resolve_model
from evalkit.records import Completion, Sampling
from evalkit.runs.find import find_run
from evalkit.runs.folder import Run, read_run
from evalkit.runs.rescore import rescore
from evalkit.runs.table import render_result, render_runs
from evalkit.score.pipeline import score_model
from evalkit.score.plan import RunPlan, plan_run, select
from evalkit.score.until import Comparison, order_of, score_until_decided
from evalkit.stats.sequential import decide
from evalkit.tasks.load import load_rows
from prompts.errors import Mismatch, UserError

COMMAND = "evalkit score --model smollm2-135m --task sums --against base --until decided"


class Answers:
    """Gives each question the right or a wrong answer, the last requested first, and may die on the way."""

    name, version, dtype, fast_decode, copies, swapped = "vllm", "test", "float32", False, 1, False
    marks: tuple[str, ...] = ()

    def __init__(self, plan: RunPlan, right: set[str], dies_after: int | None = None) -> None:
        self.plan, self.right, self.left = plan, right, dies_after
        self.asked: list[str] = []

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, stop_ids: Sequence[int]
    ) -> Iterator[Completion]:
        for request in reversed(requests):
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise KeyboardInterrupt
            row = self.plan.task.rows[request.index]
            self.asked.append(row.id)
            ids = self.plan.tokenizer.encode(f"It is {row.gold if row.id in self.right else -5}")
            yield Completion(
                index=request.index, sample=request.sample, token_ids=tuple(ids), finish_reason="stop"
            )

    def close(self) -> None:
        pytest.fail("an engine that was handed in is not closed")


@pytest.fixture(scope="module")
def plan(smollm2: Path) -> RunPlan:
    return plan_run(resolve_model(str(smollm2)), load_rows("sums", "test"), prompt="sums")


def best(plan: RunPlan, share: float) -> set[str]:
    ids = sorted(row.id for row in plan.task.rows)
    return set(ids[: round(share * len(ids))])


def base_of(plan: RunPlan, folder: Path, share: float = 0.3) -> Run:
    engine = Answers(plan, best(plan, share))
    return score_model(
        plan, command="evalkit score", results=folder, output=folder / "base", load=lambda _: engine
    )


def until(plan: RunPlan, base: Run, engine: Any, margin: float = 0.01, **comparison: Any) -> Run:
    return score_until_decided(
        plan,
        Comparison(base=base, margin=margin, **comparison),
        command=COMMAND,
        results=base.folder.parent,
        output=base.folder.parent / "new",
        load=lambda _: engine,
    )


def test_a_large_gain_is_decided_early_by_the_questions_in_order(plan: RunPlan, tmp_path: Path) -> None:
    base, engine = base_of(plan, tmp_path), Answers(plan, best(plan, 0.8))
    run = until(plan, base, engine)
    found = run.manifest.sequential
    assert found and found.asked and (run.manifest.status, found.verdict) == ("decided", "better")
    order = order_of([row.id for row in plan.task.rows], found.seed)
    assert set(engine.asked) == set(order[: found.asked]) == {record.id for record in run.records}
    assert 25 <= found.asked < len(order) == 128 and found.asked % 25 == 0
    right = (best(plan, 0.3), best(plan, 0.8))
    differences = np.array([(row in right[1]) - float(row in right[0]) for row in order[: found.asked]])
    by_hand = decide(differences, 128, 25, 0.01)
    assert (by_hand.verdict, by_hand.asked, by_hand.delta) == ("better", found.asked, found.delta)
    assert found.ci == (by_hand.ci.low, by_hand.ci.high) and found.ci[0] > 0
    assert f"after {found.asked} of 128 questions: better than base" in render_result(run, "table")
    assert "decided" in render_runs([run], "table")


def test_a_decided_run_is_no_complete_one(plan: RunPlan, tmp_path: Path) -> None:
    base = base_of(plan, tmp_path)
    run = until(plan, base, Answers(plan, best(plan, 0.8)))
    for reader in (
        lambda: diff_runs(base, run),
        lambda: find_run("new", tmp_path),
        lambda: rescore(run, rule=None, command="", output=tmp_path / "again"),
    ):
        with pytest.raises(UserError, match="--until all"):
            reader()
    lines = (run.folder / "records.jsonl").read_bytes().splitlines(keepends=True)
    (run.folder / "records.jsonl").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(UserError, match="cut or edited"):
        _ = read_run(run.folder).records


@pytest.mark.parametrize("dies_after", [0, 10, 25, 40])
def test_killed_and_resumed_it_decides_the_same(plan: RunPlan, tmp_path: Path, dies_after: int) -> None:
    base, right = base_of(plan, tmp_path), best(plan, 0.45)
    whole = until(plan, base, Answers(plan, right)).manifest.sequential
    (tmp_path / "new").rename(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        until(plan, base, Answers(plan, right, dies_after))
    assert read_run(tmp_path / "new").manifest.status == "running"
    resumed = Answers(plan, right)
    assert until(plan, base, resumed).manifest.sequential == whole
    assert whole and whole.asked and whole.asked > 40 and len(resumed.asked) == whole.asked - dies_after
    assert until(plan, base, Answers(plan, right, 0)).manifest.sequential == whole  # nothing is run again


def test_until_all_fills_it_up(plan: RunPlan, tmp_path: Path) -> None:
    base, right = base_of(plan, tmp_path), best(plan, 0.8)
    decided = until(plan, base, Answers(plan, right))
    engine = Answers(plan, right)
    run = score_model(plan, command=COMMAND, results=tmp_path, output=tmp_path / "new", load=lambda _: engine)
    assert run.complete and run.manifest.sequential == decided.manifest.sequential
    assert len(engine.asked) == 128 - (decided.manifest.sequential.asked or 0)  # type: ignore[union-attr]
    assert diff_runs(base, run).delta == pytest.approx(len(right - best(plan, 0.3)) / 128)


def test_equal_models_are_asked_everything_and_give_a_complete_run(plan: RunPlan, tmp_path: Path) -> None:
    base = base_of(plan, tmp_path)
    right = (best(plan, 0.3) - set(sorted(best(plan, 0.3))[:3])) | set(sorted(best(plan, 0.4))[-3:])
    run = until(plan, base, Answers(plan, right))
    found = run.manifest.sequential
    assert found and (found.verdict, found.asked, run.complete) == ("equal", 128, True)
    assert "within 1.0 points of base on all questions" in render_result(run, "table")


def test_several_samples_and_rows_that_cannot_be_scored(smollm2: Path, tmp_path: Path) -> None:
    task = select(load_rows("sums", "test"), 60, [])
    rows = (replace(task.rows[0], gold=None, problem="no gold"), *task.rows[1:])
    sampling = Sampling(temperature=0.8, samples=2, max_tokens=16)
    plan = plan_run(resolve_model(str(smollm2)), replace(task, rows=rows), prompt="sums", sampling=sampling)
    base = base_of(plan, tmp_path, 0.1)
    run = until(plan, base, Answers(plan, best(plan, 0.9)))
    found = run.manifest.sequential
    assert found and found.asked and found.verdict == "better"
    assert len(run.records) == 2 * found.asked
    same = until(plan, base, Answers(plan, set(), 0))
    assert same.manifest.sequential == found


def test_the_error_is_shared_over_comparisons(plan: RunPlan, tmp_path: Path) -> None:
    base = base_of(plan, tmp_path)
    run = until(plan, base, Answers(plan, best(plan, 0.8)), comparisons=20)
    assert run.manifest.sequential and run.manifest.sequential.alpha == pytest.approx(0.0025)
    assert "99.75 % CI" in render_result(run, "table")


def test_what_cannot_be_gone_on_with(plan: RunPlan, smollm2: Path, tmp_path: Path) -> None:
    base, right = base_of(plan, tmp_path), best(plan, 0.8)
    until(plan, base, Answers(plan, right))
    with pytest.raises(UserError, match=r"differs in margin.*--until all"):
        until(plan, base, Answers(plan, right, 0), margin=0.02)
    (tmp_path / "new").rename(tmp_path / "decided")
    with pytest.raises(KeyboardInterrupt):
        score_model(
            plan,
            command="plain",
            results=tmp_path,
            output=tmp_path / "new",
            load=lambda _: Answers(plan, right, 5),
        )
    with pytest.raises(UserError, match="begun without --until decided"):
        until(plan, base, Answers(plan, right))
    other = plan_run(resolve_model(str(smollm2)), plan.task, prompt="sums-hash")
    with pytest.raises(Mismatch, match="cannot be compared"):
        until(other, base, Answers(other, right, 0))
