"""A run that was tampered with is refused by every command that reads it, and nothing is written.

pytest tests/evalkit/runs/test_tampered_runs.py
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from lettered_runs import made

from evalkit.cli.app import app
from evalkit.compare.columns import load_columns
from evalkit.run_app import run_app
from evalkit.runs.folder import RunWriter, list_runs, read_run
from evalkit.runs.summary import counted, summarize
from prompts.errors import UserError

Lines = list[dict[str, Any]]
COMMANDS = {
    "diff": ("diff", "a", "b"),
    "diff of three": ("diff", "a", "a2", "b"),
    "rescore": ("rescore", "b"),
    "compare-rules": ("compare-rules", "b"),
    "show": ("show", "b"),
    "report": ("report", "a", "b"),
    "parquet": ("export", "b", "--to", "parquet"),
    "lm-eval": ("export", "b", "--to", "lm-eval"),
    "inspect": ("export", "b", "--to", "inspect"),
    "hf-card": ("export", "b", "--to", "hf-card"),
}


def set_at(line: int, key: str, value: Any) -> Callable[[Lines], Any]:
    return lambda lines: lines[line].__setitem__(key, value)


TAMPERED: dict[str, tuple[Callable[[Lines], Any], str]] = {
    "halved": (lambda lines: lines.__delitem__(slice(2, None)), "holds 2 records, its manifest says 4"),
    "doubled": (lambda lines: lines.extend(list(lines)), "line 5 holds sample 0 of q00000 a second time"),
    "emptied": (lambda lines: lines.clear(), "holds "),
    "foreign": (set_at(2, "id", "q99999"), "line 3 holds sample 0 of q99999"),
    "another sample": (set_at(1, "sample", 1), "line 2 holds sample 1 of q00001"),
    "negative sample": (set_at(1, "sample", -1), "line 2 cannot be read"),
    "edited outcome": (set_at(1, "outcome", "correct"), "records that are correct, its manifest says"),
    "unknown outcome": (set_at(3, "outcome", "right"), "line 4 cannot be read (Invalid enum value 'right'"),
    "text is a number": (set_at(3, "text", 7), "line 4 cannot be read (Expected `str`, got `int`"),
    "truncated is a text": (set_at(0, "truncated", "no"), "line 1 cannot be read (Expected `bool`"),
    "tokens are a text": (set_at(0, "completion_tokens", "9"), "line 1 cannot be read (Expected `int`"),
    "answer is a number": (set_at(2, "extraction", {"answer": 7, "rule": "boxed@1"}), "line 3 cannot be"),
    "no question": (lambda lines: lines[1].pop("question"), "line 2 cannot be read (Object missing"),
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results folder, with two whole runs and a third to tamper with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVALKIT_RESULTS", str(tmp_path / "results"))
    for name, letters in (("a", "cwlc"), ("a2", "cwlc"), ("b", "cwcc")):
        made(tmp_path / "results" / name, letters)
    return tmp_path / "results"


def call(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["evalkit", *arguments])
    capfd.readouterr()
    with pytest.raises(SystemExit) as end:
        run_app(app)
    return (int(end.value.code or 0), *capfd.readouterr())


def files(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.parent.rglob("*") if path.is_file()}


def refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: str
) -> tuple[int, str]:
    """The exit code and the one line; nothing may have been written."""
    before = files(root)
    code, out, err = call(monkeypatch, capfd, *COMMANDS[command])
    assert (out, files(root)) == ("", before)
    assert err.startswith("error: ") and len(err.splitlines()) == 1 and "Traceback" not in err
    return code, err


@pytest.mark.parametrize("how", TAMPERED)
def test_records_that_are_not_the_runs(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    change, said = TAMPERED[how]
    path = root / "b/records.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    for command in COMMANDS:
        code, line = refused(root, monkeypatch, capfd, command)
        assert code == 2 and said in line, (command, line)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_forged_lock(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    """By hand, with and without the hashes that go with it: the manifest knows the fingerprint too."""
    from prompts.lock import Lock, read_lock, write_lock

    path = root / "b/prompt.lock.json"
    lock = read_lock(root / "b")
    assert lock is not None and '"boxed@3"' in path.read_text()
    path.write_text(path.read_text().replace('"boxed@3"', '"hash@1"'))
    code, line = refused(root, monkeypatch, capfd, command)
    assert code == 3 and "was edited" in line
    reading = {**lock.reading, "scorer": {"rule": "hash@1"}}
    write_lock(Lock(reading=reading, data=lock.data, budget=lock.budget), root / "b")
    code, line = refused(root, monkeypatch, capfd, command)
    assert code == 3 and "the run's manifest says" in line


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("prompt.lock.json", b'{"schema": "1", "reading": {}, "data": {}, "budget": {}}', "schema"),
        ("manifest.json", b'{"status": 1}', "not whole"),
        ("manifest.json", None, "Is a directory"),
        ("manifest.json", b"\xff\xfe", "is not JSON"),
        ("summary.json", b'{"n": "4"}', "not whole"),
        ("summary.json", b"[]", "not an object"),
    ],
)
def test_runs_lists_the_others_and_says_what_is_wrong(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    said: str,
) -> None:
    path = root / "b" / name
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    code, out, err = call(monkeypatch, capfd, "runs", "--format", "json")
    assert [run["name"] for run in json.loads(out)] == ["a2", "a"]
    assert code == 2 and err.startswith("left out: ") and said in err and len(err.splitlines()) == 1
    assert {run.name for run in list_runs(root)} >= {"a", "a2"}


@pytest.mark.parametrize("key", ["rows", "sampling", "counts", "marks", "date", "model"])
def test_a_manifest_of_a_wrong_type(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], key: str
) -> None:
    path = root / "b/manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: "x"}))
    for command in COMMANDS:
        code, line = refused(root, monkeypatch, capfd, command)
        assert code == 2 and "b/manifest.json cannot be read" in line, (command, line)


def test_a_broken_gzip(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = root / "b/records.jsonl"
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    for broken in (packed[:-12], packed[:40] + bytes(20) + packed[60:], b"nothing", b""):
        (root / "b/records.jsonl.gz").write_bytes(broken)
        for command in COMMANDS:
            code, line = refused(root, monkeypatch, capfd, command)
            assert code == 2 and ("cannot be read" in line or "holds " in line), line


def test_finish_compares_with_rows_and_samples(root: Path) -> None:
    run = read_run(root / "b")
    writer = RunWriter(root / "new", run.manifest.changed(status="running"), run.lock)
    for record in run.records[:3]:
        writer.append(record)
    with pytest.raises(UserError, match="holds 3 records, 4 are needed"):
        writer.finish(counted(writer.manifest, run.records[:3]), summarize(run.records[:3], None))
    writer.close()
    assert not read_run(root / "new").complete and not (root / "new/summary.json").exists()


@pytest.mark.parametrize("how", ["doubled", "foreign", "text is a number", "another sample"])
def test_a_run_is_not_resumed_over_such_lines(root: Path, how: str) -> None:
    path = root / "b/records.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    TAMPERED[how][0](lines)
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    run = read_run(root / "b")
    before = files(root)
    with pytest.raises(UserError, match=r"records\.jsonl line \d .*; remove that line"):
        RunWriter(root / "b", run.manifest, run.lock)
    assert files(root) == before


def test_a_column_read_is_as_strict_as_a_record_read(root: Path) -> None:
    run = read_run(root / "b")
    columns = load_columns(run)
    assert [i.decode() for i in columns.ids] == [record.id for record in run.records]
