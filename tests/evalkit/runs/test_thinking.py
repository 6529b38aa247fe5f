"""Stored runs of models that think: their figures, and what reading them again can and cannot tell.

pytest tests/evalkit/runs/test_thinking.py
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console
from written_runs import LOCK, MANIFEST, record

from evalkit.compare.diff import diff_runs
from evalkit.grade.judge import judge
from evalkit.records import Record
from evalkit.runs.compare_rules import compare_rules
from evalkit.runs.folder import Run, RunWriter, read_run
from evalkit.runs.rescore import rescore
from evalkit.runs.show import print_records
from evalkit.runs.summary import counted, summarize
from evalkit.runs.table import figures
from prompts.errors import Mismatch

ENTRY = {"version": 2, "opens": "<think>", "special": []}
CUT_OFF = ("no_answer", "unfinished thinking")


def written(folder: Path, records: list[Record], **reading: Any) -> Run:
    lock = replace(LOCK, reading={**LOCK.reading, **reading})
    manifest = MANIFEST.changed(fingerprint=lock.fingerprint, rows=len(records))
    writer = RunWriter(folder, manifest, lock)
    for entry in records:
        writer.append(entry)
    writer.finish(counted(manifest, records), summarize(records, 10.0))
    writer.close()
    return read_run(folder)


def outcomes(run: Run) -> list[tuple[str, str]]:
    return [(entry.outcome, entry.reason) for entry in run.records]


def thought(row_id: str, tokens: int, **values: Any) -> Record:
    entry = record(row_id, "it is 7")
    return msgspec.structs.replace(entry, completion_tokens=10, thinking_tokens=tokens, **values)


def test_tokens_before_and_after_the_block_are_counted_apart(tmp_path: Path) -> None:
    cut = thought("b", 10, outcome="no_answer", reason="unfinished thinking")
    run = written(tmp_path / "run", [thought("a", 4), cut])
    assert run.summary.unfinished_thinking == 0.5
    assert (run.summary.mean_thinking_tokens, run.summary.mean_answer_tokens) == (7.0, 3.0)
    shown = dict(figures(run))
    assert shown["unfinished"].startswith("50.0 %")
    assert shown["thinking"] == "7.0 tokens, then 3.0 of answer"
    plain = written(tmp_path / "plain", [record("a", "it is 7")])
    assert plain.summary.mean_thinking_tokens is None
    assert "unfinished" not in dict(figures(plain))


def test_a_run_is_read_again_by_its_markers(tmp_path: Path) -> None:
    text = "17assistantfinal7"
    markers = ((0, "<|channel|>"), (2, "<|end|>"), (2, "<|start|>"), (11, "<|channel|>"), (16, "<|message|>"))
    thinking = {"version": 1, "opens": "", "special": ["<|channel|>"]}
    finished = msgspec.structs.replace(record("a", text), markers=markers)
    cut = msgspec.structs.replace(record("b", "7"), markers=((0, "<|channel|>"),))
    run = rescore(written(tmp_path / "run", [finished, cut], thinking=thinking), rule=None, command="again")
    assert outcomes(run) == [("correct", "equal"), CUT_OFF]
    assert run.records[0].markers == markers
    assert run.records[0].extraction.span == (16, 17)


def test_rules_are_compared_within_the_budget_of_thinking(tmp_path: Path) -> None:
    """What thought for too long is not read under any rule, as scoring did not read it."""
    thinking = {"version": 1, "opens": "", "special": [], "budget": 5}
    records = [thought(name, tokens, text="<think>5</think>7") for name, tokens in (("a", 4), ("b", 6))]
    run = rescore(written(tmp_path / "run", records, thinking=thinking), rule=None, command="again")
    assert outcomes(run) == [("correct", "equal"), ("no_answer", "thinking over its budget")]
    compared = compare_rules(run, ["last-number", "lenient"])
    for name in ("last-number@1", "lenient@3"):
        assert compared.counts[name] == {"correct": 1, "no_answer": 1}


def test_show_sets_thinking_apart(tmp_path: Path) -> None:
    thinking = {"version": 2, "opens": "<think>", "special": []}
    entries = []
    for row_id, text in (("a", "is it 3</think>it is 7"), ("b", "is it 7")):
        read = judge(text, "7", "last-number@1", thinking).extraction
        entries.append(msgspec.structs.replace(record(row_id, text), extraction=read, thinking_tokens=2))
    run = written(tmp_path / "run", entries, thinking=thinking)
    console = Console(width=200, record=True, file=io.StringIO())
    print_records(run.records, run.lock.reading, console)
    finished, cut_off = console.export_text().split("b sample")
    assert "is it 3</think>│it is ⟦7⟧" in finished and "2 of thinking" in finished
    assert "│is it 7" in cut_off


def test_runs_with_other_budgets_are_refused_as_a_pair(tmp_path: Path) -> None:
    runs = [
        written(tmp_path / str(budget), [record("a", "it is 7")], **thinking)
        for budget in (8, 16, None)
        for thinking in [{"thinking": {**ENTRY, "budget": budget, "forced": False}} if budget else {}]
    ]
    for base, new in ((0, 1), (0, 2), (2, 1)):
        with pytest.raises(Mismatch) as refused:
            diff_runs(runs[base], runs[new])
        assert "thinking.budget" in str(refused.value.detail)
        assert "--allow-mismatch" in str(refused.value)
    assert diff_runs(runs[0], runs[0]).n == 1


def test_another_version_of_the_reading_is_evened_out_by_rescore(tmp_path: Path) -> None:
    old = written(tmp_path / "old", [record("a", "7")], thinking={**ENTRY, "version": 1})
    new = written(tmp_path / "new", [record("a", "7")], thinking=ENTRY)
    with pytest.raises(Mismatch, match=r"evalkit rescore .*old"):
        diff_runs(old, new)
    assert diff_runs(rescore(old, rule=None, command="again"), new).n == 1


def test_older_runs_say_what_they_lack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    probe = {"1": {"text": "# Valid channels: analysis, commentary, final.", "ids": "1"}}
    rescore(written(tmp_path / "oss", [record("a", "analysis7")], probe=probe), rule=None, command="again")
    assert "1 of 1 completions were stored without their special tokens" in capsys.readouterr().err
    probe = {"1": {"text": "<|im_start|>assistant\n<think>\n", "ids": "1"}}
    run = written(tmp_path / "r1", [record("a", "maybe 7"), record("b", "3</think>7")], probe=probe)
    assert [entry.outcome for entry in run.records] == ["correct", "correct"]
    again = rescore(run, rule=None, command="again")
    assert outcomes(again) == [CUT_OFF, ("correct", "equal")]
    assert again.lock.reading["thinking"]["opens"] == "<think>"
    assert capsys.readouterr().err == ""
