"""Result folders: what was written is read, whatever was cut off, by whoever.

pytest tests/evalkit/runs/test_folder.py
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT, TESTS
from written_runs import LOCK, MANIFEST, record, write

from evalkit.grade.grade import SCORER_VERSION
from evalkit.grade.judge import make_record, unscored
from evalkit.records import Row
from evalkit.runs.compare_rules import compare_rules
from evalkit.runs.folder import Run, RunWriter, list_runs, read_run, read_runs
from evalkit.runs.manifest import NoiseFloor
from evalkit.runs.rescore import rescore
from evalkit.runs.show import choose, marked
from evalkit.runs.summary import counted, summarize
from prompts.errors import UserError
from prompts.reading.completion import Decoded

RECORDED = sorted(path.parent for path in (ROOT / "results/recorded").glob("*/manifest.json"))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=60)
@given(st.lists(st.tuples(texts, texts | st.none()), max_size=8))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, content: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("run") / "r"
    records = [record(f"{i:03}", text, gold) for i, (text, gold) in enumerate(content)]
    run = read_run(write(folder, records))
    assert run.records == records and run.complete
    packed = gzip.compress((folder / "records.jsonl").read_bytes())
    (folder / "records.jsonl.gz").write_bytes(packed)
    (folder / "records.jsonl").unlink()
    assert read_run(folder).records == run.records


def test_a_file_cut_off_at_any_byte_goes_on(tmp_path: Path) -> None:
    records = [record(f"row{i}", f"it is {i} é", str(i)) for i in range(3)]
    whole = (write(tmp_path / "whole", records, finish=False) / "records.jsonl").read_bytes()
    for size in range(len(whole) + 1):
        folder = write(tmp_path / f"{size}", [], finish=False)
        (folder / "records.jsonl").write_bytes(whole[:size])
        writer = RunWriter(folder, MANIFEST, LOCK)
        lines = whole[:size].count(b"\n")
        assert writer.done == {(r.id, r.sample) for r in records[:lines]}
        for entry in records:
            if (entry.id, entry.sample) not in writer.done:
                writer.append(entry)
        writer.close()
        assert (folder / "records.jsonl").read_bytes() == whole


def test_one_process_writes(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", [record("a", "7")], finish=False)
    writer = RunWriter(folder, MANIFEST, LOCK)
    code = (
        "import sys; from evalkit.runs.folder import RunWriter; from pathlib import Path\n"
        "try: RunWriter(Path(sys.argv[1]), None, None)\n"
        "except Exception as e: print(type(e).__name__, e)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert "UserError" in done.stdout and "another process" in done.stdout
    assert read_run(folder).manifest.as_dict() == MANIFEST.as_dict()
    writer.close()


def test_a_full_disk_is_one_line_and_resumable(tmp_path: Path) -> None:
    """A file size limit stands in for the full disk: the last write is cut short there too."""
    code = """
import resource, sys
from pathlib import Path
from written_runs import LOCK, MANIFEST, record
from evalkit.runs.folder import RunWriter
from prompts.errors import UserError
writer = RunWriter(Path(sys.argv[1]), MANIFEST, LOCK)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
for i in range(100):
    try: writer.append(record(f"row{i:03}", "it is 7"))
    except UserError as error: print(error)
"""
    here = TESTS / "helpers"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        cwd=here,
        check=True,
    )
    assert "cannot be written: No space left on device; free some space" in done.stdout
    assert (tmp_path / "run" / "records.jsonl").read_bytes().endswith(b"\n"), "a torn line spoils the next"
    writer = RunWriter(tmp_path / "run", MANIFEST, LOCK)
    assert 0 < len(writer.done) < 100
    writer.close()


def test_newer_and_broken_runs_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", [record("a", "7")])
    (folder / "manifest.json").write_text(json.dumps({**MANIFEST.as_dict(), "schema": 99}))
    with pytest.raises(UserError, match="schema 99"):
        read_run(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        read_run(folder)
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "status": "complete"}))
    with pytest.raises(UserError, match="not whole, it lacks command, model"):
        read_run(folder)
    with pytest.raises(UserError, match="no result folder"):
        read_run(tmp_path)
    other = write(tmp_path / "other", [record("a", "7")])
    runs, broken = read_runs(tmp_path)
    assert [run.name for run in runs] == ["other"] and "lacks command" in str(broken[0])
    (other / "summary.json").unlink()
    with pytest.raises(UserError, match=r"lacks summary\.json"):
        read_run(other)


def test_a_spoilt_line_is_named_when_a_run_goes_on(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", [record("a", "7")], finish=False)
    with (folder / "records.jsonl").open("ab") as file:
        file.write(b"{\n")
    with pytest.raises(UserError, match="line 2 cannot be read"):
        RunWriter(folder, MANIFEST, LOCK)


def test_summary_counts(tmp_path: Path) -> None:
    records = [record("a", "7"), record("b", "8"), record("c", "none"), record("d", "7", None)]
    records += [record("e", "it is 9", "9", reason="length")]
    run = read_run(write(tmp_path / "run", records))
    assert run.manifest.counts == {"correct": 2, "wrong": 1, "no_answer": 1, "unscored": 1}
    assert run.summary.accuracy == 0.5 and run.summary.n == 4
    assert run.summary.unscored_reasons == {"no gold": 1}
    assert run.summary.truncated == 0.2 and run.manifest.truncated == 1
    assert list_runs(tmp_path)[0].name == "run"


def test_rescore_writes_a_new_run(tmp_path: Path) -> None:
    records = [record("a", "\\boxed{8}\nChecked with 7"), record("b", "#### 7"), record("c", "7", None)]
    run = read_run(write(tmp_path / "run", records))
    assert [r.outcome for r in run.records] == ["correct", "correct", "unscored"]
    run = Run(run.folder, run.manifest.changed(noise=NoiseFloor(n=3, flips=1)))
    again = rescore(run, rule="boxed", command="evalkit rescore run --rule boxed")
    assert again.name == "run-boxed@3" and again.manifest.source == "run" and again.complete
    assert again.manifest.noise is None, "measured under another rule"
    assert [r.outcome for r in again.records] == ["wrong", "no_answer", "unscored"]
    assert again.manifest.fingerprint != run.manifest.fingerprint == LOCK.fingerprint
    assert [r.text for r in again.records] == [r.text for r in run.records]
    same = rescore(run, rule=None, command="", output=tmp_path / "same")
    assert same.records == run.records and same.manifest.fingerprint == run.manifest.fingerprint
    with pytest.raises(UserError, match="exists"):
        rescore(run, rule="boxed", command="")
    with pytest.raises(UserError, match="did you mean boxed"):
        rescore(run, rule="boxd", command="")


def test_rescore_brings_a_run_to_the_scorer_of_today(tmp_path: Path) -> None:
    """What version 1 took for the print of a float is graded again; a record with the same grade stays."""
    older = replace(LOCK, reading={**LOCK.reading, "scorer": {"rule": "last-number@1", "version": 1}})
    alike, passed = record("a", "7"), record("b", "773989449188269/5", "773989449188270/5")
    assert passed.outcome == "wrong"
    passed = msgspec.structs.replace(passed, outcome="correct", lenient_outcome="correct")
    writer = RunWriter(tmp_path / "run", MANIFEST.changed(fingerprint=older.fingerprint), older)
    for entry in (alike, passed):
        writer.append(entry)
    held = [alike, passed]
    writer.finish(counted(writer.manifest, held), summarize(held, None))
    again = rescore(read_run(tmp_path / "run"), rule=None, command="")
    assert again.manifest.fingerprint == LOCK.fingerprint != older.fingerprint
    assert again.lock.reading["scorer"] == {"rule": "last-number@1", "version": SCORER_VERSION}
    assert [r.outcome for r in again.records] == ["correct", "wrong"]
    assert again.records[0] == read_run(tmp_path / "run").records[0]


def test_rows_that_were_never_generated_are_unscored_under_every_rule(tmp_path: Path) -> None:
    row = Row(id="b", question="q", gold="7", problem="duplicate of a")
    verdict = unscored("last-number@1", "duplicate of a")
    never = make_record(row, 5, Decoded(""), None, verdict, sample=0, seed=1)
    run = read_run(write(tmp_path / "run", [record("a", "\\boxed{7}"), never]))
    compared = compare_rules(run, ["boxed", "hash", "lenient"])
    assert [compared.counts[rule]["unscored"] for rule in compared.counts] == [1, 1, 1]
    assert compared.accuracy("boxed@3") == 1
    again = rescore(run, rule="boxed", command="")
    assert [r.outcome for r in again.records] == ["correct", "unscored"]


def test_compare_rules_reads_leniently_as_scoring_does(tmp_path: Path) -> None:
    texts = {"a": "\\boxed{8}\nChecked with 7", "b": "\\boxed{7}\nChecked with 8", "c": "\\boxed{7}"}
    records = [record(name, text) for name, text in texts.items()]
    run = read_run(write(tmp_path / "run", records))
    compared = compare_rules(run, ["last-number", "lenient", "boxed"])
    lenient = [readings["lenient@3"] for _, readings in compared.disagreements]
    assert lenient == [("7", "correct"), ("8", "wrong")], "the run's own rule comes first: last-number"
    stored = Counter(r.lenient_outcome for r in run.records)
    assert compared.counts["lenient@3"] == stored == {"correct": 2, "wrong": 1}


def test_show_chooses_and_escapes(tmp_path: Path) -> None:
    hostile = "\x1b[2Jx\u202e\u200b 7"
    run = read_run(write(tmp_path / "run", [record("abc", hostile), record("abd", "8")]))
    (found,) = choose(run, outcome="wrong")
    assert found.id == "abd"
    assert len(choose(run, row_id="ab")) == 2 and len(choose(run, n=1)) == 1
    shown = marked(hostile, choose(run, row_id="abc")[0].extraction.span).plain
    assert "⟦7⟧" in shown and "\x1b" not in shown and "\u202e" not in shown and "⟦U+200B⟧" in shown
    with pytest.raises(UserError, match="no such row; it holds 1 correct, 1 wrong"):
        choose(run, outcome="unscored")
    with pytest.raises(UserError, match="there are correct, wrong"):
        choose(run, outcome="right")


@pytest.mark.parametrize("run", RECORDED, ids=lambda folder: folder.name[:40])
def test_records_without_texts_give_the_same_summary(run: Path) -> None:
    """A million records with their texts took 4.4 GiB at the end of `evalkit score`."""
    whole, bare = read_run(run).records, read_run(run).bare_records()
    assert summarize(bare, 1.0) == summarize(whole, 1.0)
    manifest = read_run(run).manifest
    assert counted(manifest, bare) == counted(manifest, whole)
    assert not any(record.text or record.question or record.extraction.answer for record in bare)
