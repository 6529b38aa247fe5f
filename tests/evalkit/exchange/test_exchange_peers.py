"""Exports open in lm-evaluation-harness and inspect-ai; real logs of the former and of verifiers come in.

    make peers

makes their environments (.cache/peers, about five minutes once) and runs this file. EVALKIT_PEERS
may name another folder that holds them.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_runs import DATA, ROOT, completion, evalkit, gsm8k_rows, make_run, needs_gsm8k
from places import CORPORA, TESTS

from evalkit.compare.diff import diff_runs
from evalkit.exchange.imported import write_run
from evalkit.exchange.lm_eval_in.import_run import read_log
from evalkit.exchange.verifiers_in import find_saved, read_verifiers
from evalkit.exchange.write import export_run
from evalkit.extract.reading import extract
from evalkit.records import Row
from evalkit.runs.folder import Run, read_run

pytestmark = [pytest.mark.peers, needs_gsm8k]

PEERS = Path(os.environ.get("EVALKIT_PEERS") or ROOT / ".cache" / "peers")
SCRIPTS = TESTS / "peers"


def peer(name: str, *arguments: object, home: Path) -> str:
    """Run tests/peers/NAME_peer.py in the environment of that peer, without a network; its last line."""
    python = PEERS / name / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no environment of {name} in {PEERS}: make peers")
    done = subprocess.run(
        [python, SCRIPTS / f"{name}_peer.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return (done.stdout.strip().splitlines() or [""])[-1]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """1,319 questions, and one that nobody can score."""
    odd = Row(id="f" * 16, question="no gold here?", gold=None)
    return make_run(
        tmp_path_factory.mktemp("made") / "step_100",
        [*gsm8k_rows(), odd],
        lambda row, _: completion(row, 100) if row.gold else ("\\boxed{1}", False),
    )


def test_lm_eval_opens_an_export(tmp_path: Path, run: Run) -> None:
    found = json.loads(peer("lm_eval", "read", export_run(run, "lm-eval", tmp_path / "out"), home=tmp_path))
    assert (found["task"], found["n"], found["samples"]) == ("gsm8k", 1320, 1320)
    for name, key in (("strict", "accuracy"), ("lenient", "lenient_accuracy")):
        assert found["results"][f"exact_match,{name}"] == run.summary[key]
        assert found["means"][name] == pytest.approx(run.summary[key], abs=1e-12)
    assert f"{run.summary.accuracy:.4f}" in found["table"]


def test_inspect_opens_an_export(tmp_path: Path, run: Run) -> None:
    found = json.loads(peer("inspect", export_run(run, "inspect", tmp_path / "out"), home=tmp_path))
    assert (found["logs"], found["status"], found["task"]) == (1, "success", "gsm8k")
    assert (found["total"], found["samples"], found["unscored"]) == (1320, 1320, 1)
    for name, key in (("strict", "accuracy"), ("lenient", "lenient_accuracy")):
        assert found["metrics"][name]["accuracy"] == run.summary[key]
        assert found["means"][name] == pytest.approx(run.summary[key], abs=1e-12)
    assert found["completion"] == run.records[0].text
    assert run.records[0].question in found["prompt"][-1]
    assert found["view"] == {"listed": 1, "samples": 1320, "status": "success"}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The harness's own logs of its gsm8k task over all 1,319 questions, of two models."""
    folder = tmp_path_factory.mktemp("logs")
    found = {}
    for name, step in (("base", 0), ("tuned", 100)):
        given = {row.question: _with_hash(completion(row, step)[0]) for row in gsm8k_rows()}
        (folder / f"{name}.json").write_text(json.dumps(given))
        rows = DATA / "gsm8k" / "test.jsonl"
        peer(
            "lm_eval",
            "make",
            rows.resolve(),
            folder / f"{name}.json",
            folder / name,
            f"demo/{name}",
            home=folder,
        )
        found[name] = next((folder / name).rglob("samples_*.jsonl"))
    return found


def _with_hash(text: str) -> str:
    return text.replace("\\boxed{", "#### ").replace("}.", "")


@pytest.mark.parametrize("filter", ["strict-match", "flexible-extract"])
def test_import_and_diff_give_the_figures_of_the_logs(
    tmp_path: Path, logs: dict[str, Path], filter: str
) -> None:
    runs = [read_run(write_run(read_log(path, filter), tmp_path)) for path in logs.values()]
    right: list[dict[int, bool]] = []
    for path, run in zip(logs.values(), runs, strict=True):
        results = json.loads(next(path.parent.glob("results_*.json")).read_text())["results"]["gsm8k"]
        assert run.summary.accuracy == pytest.approx(results[f"exact_match,{filter}"], abs=1e-12)
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        right.append({line["doc_id"]: line["exact_match"] == 1 for line in lines if line["filter"] == filter})
    pairs = [(right[0][i], right[1][i]) for i in right[0]]
    diff = diff_runs(runs[0], runs[1])
    assert (diff.n, diff.fixed, diff.broken) == (1319, pairs.count((False, True)), pairs.count((True, False)))
    assert diff.both_right == pairs.count((True, True)) and diff.both_wrong == pairs.count((False, False))
    done = evalkit("diff", *(run.folder for run in runs), "--format", "json", cwd=tmp_path)
    assert json.loads(done.stdout)["delta"] == diff.delta


def test_imported_questions_are_ours(tmp_path: Path, logs: dict[str, Path]) -> None:
    """Their rows have the ids of our rows, so that their runs and ours can be laid side by side."""
    log = read_log(logs["base"])
    assert {record.id for record in log.records} == {row.id for row in gsm8k_rows()}


def test_our_copies_of_their_rules_read_what_they_read(logs: dict[str, Path]) -> None:
    rules: dict[str, Callable[[str], Any]] = {
        "strict-match": lambda text: extract(text, "lm-eval-strict").answer,
        "flexible-extract": lambda text: extract(text, "lm-eval-flexible").answer,
    }
    for path in logs.values():
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            read = rules[line["filter"]](line["resps"][0][0])
            assert (read or "[invalid]") == line["filtered_resps"][0]


def test_what_verifiers_saves_is_read_as_what_was_recorded(tmp_path: Path) -> None:
    """tests/corpora/verifiers is what its `vf-eval -s` writes: a fresh evaluation gives the same runs."""
    peer("verifiers", tmp_path / "fresh", home=tmp_path)
    for name in ("few_sums--base", "few_sums--new"):
        recorded, fresh = (
            read_verifiers(find_saved(folder / name)[0])
            for folder in (CORPORA / "verifiers", tmp_path / "fresh/outputs/evals")
        )
        assert fresh.records == recorded.records
        assert fresh.manifest.sampling == recorded.manifest.sampling
        assert (fresh.lock.rule, fresh.manifest.task) == (recorded.lock.rule, recorded.manifest.task)
