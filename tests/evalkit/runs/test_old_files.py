"""Files of earlier versions stay readable, scorable and comparable: a key that they lack is not recorded.

tests/corpora/old_formats holds a run and a checkpoint's lock as version 0.1.0 wrote them.

pytest tests/evalkit/runs/test_old_files.py
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from places import ROOT, TESTS

from evalkit.compare.diff import diff_runs
from evalkit.grade.grade import SCORER_VERSION
from evalkit.runs.folder import Run, read_run
from evalkit.runs.rescore import rescore
from evalkit.score.noise_floor import Noise, record_noise
from evalkit.score.resume import carry_marks
from prompts.lock import Lock, difference_of_locks, read_lock, write_lock

OLD = TESTS / "corpora/old_formats"
RECORDED = sorted(path.parent for path in (ROOT / "results/recorded").glob("*/manifest.json"))
NEEDED = {"status", "command", "model", "task", "split", "template", "fingerprint", "sampling", "date"}


def written(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD / "run", tmp_path / "old"))


@pytest.mark.parametrize("folder", [OLD / "run", *RECORDED], ids=lambda folder: folder.name)
def test_a_run_reads_and_would_be_written_as_it_is(folder: Path) -> None:
    run = read_run(folder)
    assert len(run.records) == run.manifest.completions
    layout = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    for name, value in (("manifest", run.manifest), ("summary", run.summary)):
        assert orjson.dumps(value.as_dict(), option=layout) == (folder / f"{name}.json").read_bytes()
    lock = written(folder / "prompt.lock.json")
    assert {key: run.lock.as_dict()[key] for key in lock} == lock


def test_records_are_written_as_before(old: Path) -> None:
    lines = {line["id"]: line for line in map(json.loads, (old / "records.jsonl").read_text().splitlines())}
    for record in read_run(old).records:
        assert json.dumps(lines[record.id]) == json.dumps(record.as_dict())


def test_recorded_runs_compare_and_rescore(tmp_path: Path) -> None:
    base, new = (folder for folder in RECORDED if "1.5" in folder.name and "boxed" in folder.name)
    assert diff_runs(read_run(base), read_run(new)).n == 1319
    (sample,) = (folder for folder in RECORDED if folder.name == "hf-sample")
    again = rescore(read_run(sample), rule=None, command="evalkit rescore", output=tmp_path / "again")
    assert again.lock.reading["scorer"]["version"] == SCORER_VERSION
    assert len(again.records) == 64
    assert [r.text for r in again.records] == [r.text for r in read_run(sample).records]


KEYS = [key for key in written(OLD / "run/manifest.json") if key not in NEEDED]


@pytest.mark.parametrize(
    "key", [*KEYS, "model.path", "model.weights_sha256", "sampling.top_p", "engine.name"]
)
def test_a_manifest_that_lacks_a_key_is_neither_refused_nor_different(old: Path, key: str) -> None:
    whole = read_run(OLD / "run")
    manifest = written(old / "manifest.json")
    section, _, inner = key.partition(".")
    del (manifest[section] if inner else manifest)[inner or section]
    (old / "manifest.json").write_text(json.dumps(manifest))
    run = read_run(old)
    assert run.manifest.as_dict() == manifest, "nothing is added by reading"
    assert run.records == whole.records
    assert diff_runs(whole, run).differences == () and diff_runs(run, whole).delta == 0
    marked = carry_marks(run, ["overlap"])
    assert written(old / "manifest.json") == {**manifest, "marks": ["overlap"]}
    assert rescore(marked, rule=None, command="").complete


def test_what_a_newer_version_wrote_stays(old: Path) -> None:
    manifest, summary = written(old / "manifest.json"), written(old / "summary.json")
    manifest |= {"later": {"a": [1]}, "schema": 1}
    manifest["engine"]["later"] = "x"
    summary["later"] = 3
    (old / "manifest.json").write_text(json.dumps(manifest))
    (old / "summary.json").write_text(json.dumps(summary))
    run = record_noise(read_run(old), Noise(n=4, flips=1, texts=2))
    assert written(old / "manifest.json") == {**manifest, "noise": {"n": 4, "flips": 1}}
    assert run.summary.as_dict() == summary
    again = written(rescore(run, rule=None, command="").folder / "manifest.json")
    assert again["later"] == {"a": [1]} and again["engine"]["later"] == "x" and again["noise"] is None


def test_a_records_newer_keys_stay_when_it_is_read_again(old: Path) -> None:
    lines = [json.loads(line) for line in (old / "records.jsonl").read_text().splitlines()]
    lines[1] |= {"later": {"a": [1]}, "much_later": None}
    (old / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = rescore(read_run(old), rule="boxed", command="").folder
    found = {line["id"]: line for line in map(json.loads, (again / "records.jsonl").read_text().splitlines())}
    more = {name: {key: line[key] for key in line if "later" in key} for name, line in found.items()}
    assert more.pop(lines[1]["id"]) == {"later": {"a": [1]}, "much_later": None}
    assert set(map(str, more.values())) == {"{}"}
    assert {line["extraction"]["rule"] for line in found.values()} == {"boxed@3"}


def changed(lock: Lock, section: str, key: str, value: Any) -> Lock:
    content = json.loads(json.dumps({name: getattr(lock, name) for name in ("reading", "data", "budget")}))
    *above, last = key.split(".")
    place = content[section]
    for name in above:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return Lock(**content)


@pytest.fixture(scope="module")
def checkpoint() -> Lock:
    lock = read_lock(OLD / "checkpoint")
    assert lock is not None
    return lock


@pytest.mark.parametrize(
    ("section", "key"),
    [("reading", "later"), ("reading", "template.later"), ("reading", "scorer.later"), ("budget", "later")],
)
def test_a_key_that_came_later_is_no_difference(checkpoint: Lock, section: str, key: str) -> None:
    newer = changed(checkpoint, section, key, {"x": 1})
    assert difference_of_locks(checkpoint, newer) == difference_of_locks(newer, checkpoint) == []
    other = changed(checkpoint, section, key, {"x": 2})
    assert [entry.key for entry in difference_of_locks(newer, other)] == [f"{key}.x"], "both record it"


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("reading", "scorer.version"),
        ("reading", "stop_ids"),
        ("reading", "template.sha256"),
        ("reading", "tokenizer.merges"),
        ("reading", "probe"),
        ("budget", "max_tokens"),
    ],
)
def test_a_key_that_every_version_wrote_must_be_there(checkpoint: Lock, section: str, key: str) -> None:
    assert difference_of_locks(checkpoint, changed(checkpoint, section, key, None))


def test_an_argument_of_the_chat_template_is_a_difference_where_one_lacks_it(checkpoint: Lock) -> None:
    for key in ("chat_template.kwargs.enable_thinking", "tokenizer.later"):
        if checkpoint.reading["chat_template"] is None and key.startswith("chat"):
            continue
        more = changed(checkpoint, "reading", key, "x")
        assert [entry.key for entry in difference_of_locks(checkpoint, more)] == [key]


def test_a_checkpoint_of_before_is_scored_without_a_mark(
    checkpoint: Lock, smollm2: Path, tmp_path: Path
) -> None:
    from evalkit.models.resolve import resolve_model
    from evalkit.score.plan import plan_run, select
    from evalkit.tasks.load import load_rows

    folder = tmp_path / "model"
    folder.mkdir()
    for path in smollm2.iterdir():
        (folder / path.name).symlink_to(path)
    write_lock(checkpoint, folder)
    plan = plan_run(resolve_model(str(folder)), select(load_rows("sums", "test"), 3, []))
    assert plan.marks == () and plan.template.ref == checkpoint.template


def test_training_runs_of_before_are_read() -> None:
    from trainkit.runs.job import read_job

    for path in (ROOT / "results/recorded").glob("*/train.json"):
        job = read_job(path.parent)
        assert job.template == "gsm8k-boxed@1" and job.part("gsm8k").rule == job.rule
        assert job.as_dict() == {**written(path), **job.as_dict()}, "nothing of the file is lost"


def test_a_run_object_needs_no_more_than_folder_and_manifest(old: Path) -> None:
    run = read_run(old)
    assert Run(old, run.manifest).records == run.records
