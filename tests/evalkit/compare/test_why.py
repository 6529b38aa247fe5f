"""Why two numbers differ, from stored completions: shares sum to the gap, and go to who caused it.

pytest tests/evalkit/compare/test_why.py
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from lettered_runs import made, row
from made_runs import evalkit, lock_of, make_run
from places import ROOT

from evalkit.compare.why import Gap, differing_keys, explain_gap
from evalkit.compare.why_table import gap_sentence, render_gap
from evalkit.records import Row
from evalkit.runs.folder import Run, read_run
from evalkit.runs.rescore import rescore
from prompts.errors import UserError

RECORDED = ROOT / "results/recorded"
BOXED = "Qwen2.5-Coder-1.5B-Instruct-gsm8k-test-gsm8k-boxed@1-480788"
OTHERS = sorted(
    path.name for path in RECORDED.glob("Qwen2.5-Coder-1.5B-*-gsm8k-test-*") if path.name != BOXED
)
ROWS = [row(i) for i in range(40)]


def summed(gap: Gap) -> None:
    assert sum(share.share for share in gap.shares) == pytest.approx(gap.total, abs=1e-12)


@pytest.mark.parametrize("name", OTHERS)
def test_recorded_templates(name: str) -> None:
    base, new = read_run(RECORDED / BOXED), read_run(RECORDED / name)
    gap = explain_gap(base, new)
    summed(gap)
    assert (gap.base, gap.new) == pytest.approx((base.summary.accuracy, new.summary.accuracy))
    shared = {key for share in gap.shares for key in share.keys}
    assert shared - {"scorer"} == set(differing_keys(base, new)) == {"template", "rule"}
    # One completion of that run was cut at its answer, which the scorer of its lock took for whole.
    assert ("scorer" in shared) == ("gsm8k-question@1" in name)


def test_there_are_five_recorded_templates_beside_the_boxed_one() -> None:
    assert len(OTHERS) == 5


def test_a_rule_alone_carries_all_that_rescoring_changes(tmp_path: Path) -> None:
    run = made(tmp_path / "a", "c" * 10 + "l" * 20 + "w" * 10)
    lenient = rescore(run, rule="lenient", command="", output=tmp_path / "b")
    gap = explain_gap(run, lenient)
    assert {share.keys: share.share for share in gap.shares} == {("rule",): 0.5, ("scorer",): 0.0}
    assert gap.shares[0].ci.low < 0.5 < gap.shares[0].ci.high
    assert gap_sentence(gap) == "b has +50.0 points against a on 40 questions: rule +50.0, scorer +0.0"
    summed(gap)


def unlike(folder: Path, rule: str, text: str, limit: int = 512, tokens: int | None = None) -> Run:
    lock = lock_of(ROWS, template={"ref": f"{folder.name}@1", "sha256": folder.name}, scorer={"rule": rule})
    lock = replace(lock, budget={**lock.budget, "max_tokens": limit})

    def write(asked: Row, _: int) -> tuple[str, bool]:
        return text % asked.gold, False

    facts = {"temperature": 0.0, "top_p": 1.0, "max_tokens": limit, "samples": 1, "seed": 0}
    return make_run(folder, ROWS, write, lock=lock, sampling=facts)


def test_template_and_rule_share_what_only_both_cause(tmp_path: Path) -> None:
    """The first is read by boxes and writes them; the second is read by #### and writes boxes as well."""
    first = unlike(tmp_path / "boxed", "boxed@1", r"So \boxed{%s}.")
    second = unlike(tmp_path / "hash", "hash@1", "So it is %s.")
    gap = explain_gap(first, second)
    shares = {share.keys: share.share for share in gap.shares}
    # made_runs judges by boxes: 1 for the first, 0 for the second; no mixture is right
    assert (gap.base, gap.new) == (1.0, 0.0)
    assert shares == {("rule",): pytest.approx(-0.5), ("template",): pytest.approx(-0.5)}
    summed(gap)


def test_what_an_older_scorer_said_otherwise_is_the_scorers(tmp_path: Path) -> None:
    run = made(tmp_path / "a", "c" * 30 + "w" * 10)
    again = rescore(run, rule=None, command="", output=tmp_path / "b")
    lines = (again.folder / "records.jsonl").read_text()
    changed = lines.replace('"outcome":"correct"', '"outcome":"wrong"', 6)
    (again.folder / "records.jsonl").write_text(changed)
    manifest = json.loads((again.folder / "manifest.json").read_text())
    manifest["counts"] |= {"correct": 24, "wrong": 16}
    (again.folder / "manifest.json").write_text(json.dumps(manifest))
    gap = explain_gap(run, read_run(again.folder))
    assert {share.keys: share.share for share in gap.shares} == {("scorer",): pytest.approx(-0.15)}
    summed(gap)


def test_a_smaller_limit_that_cut_nothing_is_told_apart(tmp_path: Path) -> None:
    first = unlike(tmp_path / "boxed", "boxed@1", r"So \boxed{%s}.")
    second = unlike(tmp_path / "short", "boxed@1", r"That is \boxed{%s}!", limit=64)
    gap = explain_gap(first, second)
    assert {share.keys: share.share for share in gap.shares} == {("template",): 0.0, ("max tokens",): 0.0}


def test_what_cannot_be_told_apart_names_the_command(tmp_path: Path) -> None:
    lock = lock_of(ROWS, stop_ids=[7], template={"ref": "x@1", "sha256": "x"})
    first = made(tmp_path / "a", "c" * 40)
    second = make_run(tmp_path / "b", ROWS, lambda r, _: ("nothing", False), lock=lock)
    gap = explain_gap(first, second)
    assert gap.shares[0].keys == ("stop ids", "template") and gap.shares[0].share == -1
    assert "tell them apart: evalkit why a b --score" in render_gap(gap, "table", "evalkit why a b --score")


def test_equal_runs_differ_in_nothing(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a", "cw" * 20), made(tmp_path / "b", "cw" * 20)
    assert "differ in no key: +0.0" in gap_sentence(explain_gap(first, second))


def test_refusals(tmp_path: Path) -> None:
    first = made(tmp_path / "a", "c" * 40)
    with pytest.raises(UserError, match="no question"):
        explain_gap(first, made(tmp_path / "b", "c" * 5, first=900))
    settings = {"cwd": tmp_path, "EVALKIT_RESULTS": str(tmp_path)}
    assert evalkit("why", "a", "missing", **settings).returncode == 2
    done = evalkit("why", "a", "b", "--format", "json", **settings)
    assert done.returncode == 2 and "no question" in done.stderr
