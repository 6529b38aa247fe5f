"""`evalkit export` and `evalkit import`, without other harnesses (those: test_exchange_peers.py)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
import yaml
from made_runs import completion, evalkit, gsm8k_rows, make_run, needs_gsm8k, refused
from places import CORPORA, ROOT

from evalkit.compare.diff import diff_runs
from evalkit.compare.table import flatten, rows_of
from evalkit.compare.verdict import sentence
from evalkit.exchange.hf_card import to_hf_card
from evalkit.exchange.imported import write_run
from evalkit.exchange.inspect import to_inspect
from evalkit.exchange.lm_eval import to_lm_eval
from evalkit.exchange.lm_eval_in.import_run import read_log
from evalkit.exchange.write import export_run
from evalkit.extract.reading import extract
from evalkit.records import Row
from evalkit.report.collect import collect
from evalkit.report.page import render_page
from evalkit.runs.folder import Run, read_run
from evalkit.runs.rescore import rescore
from evalkit.runs.table import figures
from prompts.errors import Mismatch, UserError
from prompts.lock import read_lock

LOGS = CORPORA / "lm_eval"


def log_of(name: str) -> Path:
    return next((LOGS / name).glob("samples_*.jsonl"))


def lines_of(path: Path, filter: str = "strict-match") -> dict[int, dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {line["doc_id"]: line for line in lines if line["filter"] == filter}


def imported(results: Path, path: Path, filter: str | None = None) -> Run:
    return read_run(write_run(read_log(path, filter), results))


@pytest.mark.parametrize("filter", ["strict-match", "flexible-extract"])
def test_diff_of_two_logs_is_what_a_direct_count_gives(tmp_path: Path, filter: str) -> None:
    runs = [imported(tmp_path, log_of(name), filter) for name in ("base", "tuned")]
    base, new = (lines_of(log_of(name), filter) for name in ("base", "tuned"))
    right = [(base[i]["exact_match"] == 1, new[i]["exact_match"] == 1) for i in sorted(base)]
    diff = diff_runs(*runs)
    assert diff.n == len(base) == 30
    assert diff.fixed == right.count((False, True)) > 0
    assert diff.broken == right.count((True, False)) > 0
    assert diff.both_right == right.count((True, True))
    assert diff.delta == pytest.approx((diff.fixed - diff.broken) / 30)
    for run, name in zip(runs, ("base", "tuned"), strict=True):
        results = json.loads(next((LOGS / name).glob("results_*.json")).read_text())
        assert run.summary.accuracy == results["results"]["gsm8k"][f"exact_match,{filter}"]
        assert run.manifest.model.name == f"demo/{name}"
        assert run.manifest.engine.version == "0.4.13"


def test_our_copy_of_the_peer_rules_reads_what_the_harness_read() -> None:
    for name in ("base", "tuned"):
        for filter, rule in (("strict-match", "lm-eval-strict"), ("flexible-extract", "lm-eval-flexible")):
            for line in lines_of(log_of(name), filter).values():
                read = extract(line["resps"][0][0], rule).answer
                assert (read or "[invalid]") == line["filtered_resps"][0]


def test_imported_runs_can_be_rescored_and_reported(tmp_path: Path) -> None:
    runs = [imported(tmp_path, log_of(name)) for name in ("base", "tuned")]
    for run in runs:
        again = rescore(run, rule="lm-eval-strict", command="a test", output=tmp_path / f"{run.name}-again")
        assert [r.outcome for r in again.records] == [r.outcome for r in run.records]
    page = collect(runs, {}, "none")
    assert page.sentence == f"{sentence(diff_runs(*runs))}."
    assert [panel.text for panel in page.histogram.panels] == ["lengths are not known"] * 2
    assert page.questions[0]["runs"][0][0]["tokens"] is None
    assert render_page(page)


def test_command_line(tmp_path: Path) -> None:
    done = evalkit("import", LOGS / "base", LOGS / "tuned", cwd=tmp_path, EVALKIT_RESULTS="results")
    assert done.returncode == 0, done.stderr
    names = done.stdout.split()
    assert len(names) == 2 and "not known: completion_tokens" in done.stderr
    done = evalkit("diff", *names, "--format", "json", cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["n"] == 30
    refused(evalkit("import", LOGS / "base", cwd=tmp_path, EVALKIT_RESULTS="results"), 2, "imported before")
    assert not list((tmp_path / "results").glob(".*"))


def test_other_prompts_or_filters_are_not_compared(tmp_path: Path) -> None:
    base = imported(tmp_path, log_of("base"))
    flexible = imported(tmp_path, log_of("tuned"), "flexible-extract")
    with pytest.raises(Mismatch) as error:
        diff_runs(base, flexible)
    assert "reading.scorer.rule" in error.value.detail
    other = tmp_path / "other" / log_of("tuned").name
    other.parent.mkdir()
    text = log_of("tuned").read_text(encoding="utf-8").replace('"Question: ', '"Q: ')
    other.write_text(text, encoding="utf-8")
    with pytest.raises(Mismatch) as error:
        diff_runs(base, imported(tmp_path, other))
    assert "data.prompts changed" in error.value.detail
    assert diff_runs(base, flexible, allow_mismatch=True).marks == ("mismatch",)


def test_lock_says_what_is_not_known(tmp_path: Path) -> None:
    with_results = imported(tmp_path, log_of("base"))
    alone = tmp_path / log_of("base").name
    shutil.copy(log_of("base"), alone)
    without = imported(tmp_path / "results", alone)
    assert "vocabulary" in with_results.lock.reading["unknown"]
    assert "chat_template" not in with_results.lock.reading["unknown"]
    assert "chat_template" in without.lock.reading["unknown"]
    assert without.manifest.split == "unknown" and with_results.manifest.split == "test"
    assert read_lock(without.folder) is not None
    assert with_results.summary.mean_completion_tokens is None
    assert ["mean length", "–"] in figures(with_results)
    diff = diff_runs(with_results, imported(tmp_path, log_of("tuned")))
    assert diff.base.mean_completion_tokens is None and diff.base.truncated is None
    assert ("truncated", "–", "–", "", "", "") in rows_of(diff)
    assert ["truncated", "–"] in figures(with_results)
    assert b"| \xe2\x80\x93 |" in to_hf_card(with_results)["README.md"]
    assert ("mean tokens", "–", "–", "", "", "") in rows_of(diff)
    assert flatten(diff)["base_mean_completion_tokens"] == ""


def test_broken_text_is_replaced_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "samples_gsm8k_2026-11-22T18-39-08.403897.jsonl"
    lines = log_of("base").read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b"marbles", b"marb\xff\xfeles", 1)
    lines[1] = lines[1].replace(b"marbles", b"marb\\ud800les", 1)
    path.write_bytes(b"".join(lines))
    log = read_log(path)
    assert len(log.records) == 30
    assert log.notes[0] == "2 lines held invalid text, it now reads U+FFFD"
    assert sum("marb\ufffd" in record.question + record.text for record in log.records) == 2
    assert read_run(write_run(log, tmp_path)).complete


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda line: "{", "line 1 is not JSON"),
        (lambda line: "[1]", "no sample of lm-evaluation-harness"),
        (lambda line: json.dumps({"question": "x"}), "no sample of lm-evaluation-harness"),
        (lambda line: json.dumps({**json.loads(line), "resps": [["a", "b"]]}), "has 2 responses"),
        (
            lambda line: json.dumps({**json.loads(line), "resps": [[["-1.5", "False"]]]}),
            "only generate_until",
        ),
        (lambda line: json.dumps({**json.loads(line), "exact_match": 0.5}), "only 0 or 1"),
        (lambda line: line + "\n" + line, "doc_id 0 twice"),
        *(
            (lambda line, change=change: json.dumps({**json.loads(line), **change}), words)
            for change, words in (
                ({"doc_id": [0]}, r"line 1: doc_id is '\[0\]'"),
                ({"arguments": [[]]}, "line 1: arguments is"),
                ({"arguments": {"gen_args_0": 5}}, "line 1: arguments is"),
                ({"resps": None}, "line 1: resps is 'None'"),
                ({"filtered_resps": "18"}, "line 1: filtered_resps is '18'"),
                ({"filter": 5}, "line 1: filter is '5'"),
            )
        ),
    ],
)
def test_what_is_no_log_is_refused(tmp_path: Path, change: Any, words: str) -> None:
    lines = log_of("base").read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if json.loads(line)["filter"] == "strict-match")
    path = tmp_path / "samples_gsm8k_2026-11-22T18-39-08.403897.jsonl"
    path.write_text("\n".join([change(lines[first]), *lines[first + 1 :]]), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        read_log(path)


def test_wrong_arguments(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "samples_x_y.jsonl").write_text("")
    refused(evalkit("import", "nowhere.jsonl", cwd=tmp_path), 2, "No such file")
    refused(evalkit("import", "empty", cwd=tmp_path), 2, "no samples_*.jsonl")
    refused(evalkit("import", "samples_x_y.jsonl", cwd=tmp_path), 2, "is empty")
    refused(
        evalkit("import", log_of("base"), "--filter", "loose", cwd=tmp_path),
        2,
        "flexible-extract, strict-match",
    )
    assert not (tmp_path / "results").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    rows = gsm8k_rows(60)
    broken = Row(id="f" * 16, question="no gold here?", gold=None)
    return make_run(
        tmp_path_factory.mktemp("made") / "step_100",
        [*rows, broken],
        lambda row, _: completion(row, 100) if row.gold else ("\\boxed{1}", False),
    )


@needs_gsm8k
def test_lm_eval_and_back(tmp_path: Path, run: Run) -> None:
    folder = export_run(run, "lm-eval", tmp_path / "out")
    samples = next(folder.rglob("samples_gsm8k_*.jsonl"))
    back = imported(tmp_path, samples)
    before = {record.id: record for record in run.records}
    assert len(back.records) == 61
    for record in back.records:
        same = before[record.id] if record.gold else before["f" * 16]
        assert (record.outcome, record.text) == (same.outcome, same.text)
        assert record.extraction.answer == same.extraction.answer or record.outcome == "unscored"
    assert back.summary.accuracy == run.summary.accuracy
    first = next(iter(lines_of(samples, "strict").values()))
    messages = json.loads(first["arguments"]["gen_args_0"]["arg_0"])
    assert first["doc"]["question"] in messages[-1]["content"] and "boxed" in messages[-1]["content"]


@needs_gsm8k
def test_several_samples(tmp_path: Path) -> None:
    many = make_run(tmp_path / "many", gsm8k_rows(20), lambda row, s: completion(row, 40 * s), samples=4)
    lines = [
        json.loads(line)
        for line in next(v for k, v in to_lm_eval(many).items() if "samples" in k).splitlines()
    ]
    strict = [line["exact_match"] for line in lines if line["filter"] == "strict"]
    assert len(strict) == 20 and sum(strict) / 20 == pytest.approx(many.summary.accuracy)
    log = orjson.loads(next(iter(to_inspect(many).values())))
    assert len(log["samples"]) == 80 and {sample["epoch"] for sample in log["samples"]} == {1, 2, 3, 4}


@needs_gsm8k
def test_parquet(tmp_path: Path, run: Run) -> None:
    path = export_run(run, "parquet", tmp_path / "run.parquet")
    rows = pq.read_table(path).to_pylist()
    assert rows == [orjson.loads(orjson.dumps(record.as_dict())) for record in run.records]
    lock = read_lock(path)
    assert lock is not None and lock.fingerprint == run.manifest.fingerprint


@needs_gsm8k
def test_hf_card(tmp_path: Path, run: Run) -> None:
    from huggingface_hub import parse_eval_result_entries

    folder = export_run(run, "hf-card", tmp_path / "card")
    (entry,) = parse_eval_result_entries(yaml.safe_load((folder / ".eval_results/gsm8k.yaml").read_text()))
    assert (entry.dataset_id, entry.value) == ("openai/gsm8k", round(100 * run.summary.accuracy, 2))
    assert run.manifest.fingerprint in str(entry.notes) and "test split" in str(entry.notes)
    card = (folder / "README.md").read_text()
    assert run.manifest.fingerprint in card and f"{100 * run.summary.accuracy:.1f} %" in card


@needs_gsm8k
def test_export_refuses(tmp_path: Path, run: Run) -> None:
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "folder").mkdir()
    for to in ("lm-eval", "inspect", "parquet", "hf-card"):
        refused(
            evalkit("export", run.folder, "--to", to, "--output", "taken", cwd=tmp_path), 2, "taken exists"
        )
        with pytest.raises(UserError, match="exists"):
            export_run(run, to, tmp_path / "folder")
        with pytest.raises(UserError, match="is no folder"):
            export_run(run, to, tmp_path / "missing" / "x")
        with pytest.raises(UserError, match="cannot be written"):
            export_run(run, to, tmp_path / ("x" * 300))
    done = evalkit("export", run.folder, "--to", "lmeval", cwd=tmp_path)
    refused(done, 2, "no format 'lmeval', did you mean lm-eval?", "lm-eval, inspect, parquet, hf-card")
    refused(evalkit("export", "nothing", "--to", "parquet", cwd=tmp_path), 2, "no run")
    empty = make_run(tmp_path / "empty", [], completion)
    refused(evalkit("export", empty.folder, "--to", "parquet", cwd=tmp_path), 2, "no completions")
    assert (tmp_path / "taken").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "folder", "taken"]


@pytest.mark.parametrize(
    ("metrics", "listed", "taken"),
    [
        ({"f1": 0.4, "exact_match": 1}, True, "exact_match"),
        ({"acc": 1.0, "acc_norm": 0.0}, True, "acc"),
        ({"bleu": 31.5, "acc": 1.0}, True, "acc"),
        ({"bleu": 31.5, "acc": 1}, False, "acc"),
    ],
)
def test_of_two_metrics_in_one_log_the_one_that_is_right_or_wrong_is_taken(
    tmp_path: Path, metrics: dict[str, float], listed: bool, taken: str
) -> None:
    path = tmp_path / log_of("base").name
    held = [json.loads(line) for line in log_of("base").read_text(encoding="utf-8").splitlines()]
    for line in held:
        line.pop("exact_match")
        line.update(metrics)
        line["metrics"] = list(metrics)
        if not listed:
            del line["metrics"]
    path.write_text("".join(json.dumps(line) + "\n" for line in held), encoding="utf-8")
    run = read_log(path)
    assert {record.outcome for record in run.records} == {"correct"}
    left = next(name for name in metrics if name != taken)
    assert f"right and wrong by the metric {taken}; left out: {left}" in run.notes


def test_six_imports_of_one_log_at_once_write_one_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evalkit", "import", str(LOGS / "base")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=-3, stderr=-1, text=True)
        for _ in range(6)
    ]
    said = [process.communicate()[1] for process in started]
    codes = sorted(process.returncode for process in started)
    assert codes == [0, 2, 2, 2, 2, 2], said
    for text, process in zip(said, started, strict=True):
        if process.returncode:
            assert re.fullmatch(r"error: .* exists: .*\n", text), text
    (run,) = (tmp_path / "results").iterdir()
    assert read_run(run).records
