"""`evalkit import` of what `vf-eval -s` of verifiers 0.1.14 saved, and of spoilt copies.

pytest tests/evalkit/exchange/test_verifiers_in.py

tests/peers/verifiers_peer.py wrote the files, with verifiers itself.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_runs import evalkit, refused
from places import CORPORA

from evalkit.exchange.verifiers_in import find_saved, read_verifiers
from prompts.errors import UserError

SAVED = CORPORA / "verifiers"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(find_saved(SAVED / "few_sums--new")[0], tmp_path / "a9dc0892"))


def test_two_evaluations_are_paired(tmp_path: Path) -> None:
    done = evalkit("import", str(SAVED), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    base, new = sorted(path.name for path in (tmp_path / "results").iterdir())
    done = evalkit("diff", base, new, "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # of three questions, two rollouts each, base has 3 of 6 right and new 5 of 6; the fourth failed in new
    assert (found["n"], found["base"]["accuracy"], found["new"]["accuracy"]) == (3, 0.5, 5 / 6)
    assert (found["fixed"], found["broken"], found["base"]["samples"]) == (2, 1, 2)
    names = [row["name"] for row in found["metrics"]]
    assert "pass@2" in names and "maj@2" not in names  # which answers were read is not in the files
    assert "maj@k is left out: the answer of a wrong" in evalkit("diff", base, new, cwd=tmp_path).stdout
    refused(
        evalkit("rescore", base, cwd=tmp_path), 2, "was imported", f"evalkit rescore {base} --rule lenient"
    )
    done = evalkit("rescore", base, "--rule", "last-number", cwd=tmp_path)
    assert done.returncode == 0 and "accuracy     37.5 %" in done.stdout, done.stderr
    refused(evalkit("import", str(SAVED), cwd=tmp_path), 2, "this log was imported before")


def test_what_is_read() -> None:
    run = read_verifiers(find_saved(SAVED / "few_sums--base")[0])
    assert [(entry.own_id, entry.sample, entry.outcome, entry.text, entry.gold) for entry in run.records] == [
        ("0", 0, "wrong", "it is 9", "7"),
        ("0", 1, "correct", "it is 7", "7"),
        ("1", 0, "wrong", "it is 9", "8"),
        ("1", 1, "wrong", "it is 9", "8"),
        ("2", 0, "correct", "it is 2", "2"),
        ("2", 1, "correct", "it is 2", "2"),
        ("3", 0, "wrong", "well, let us see, two times six is", "12"),
        ("3", 1, "wrong", "well, let us see, two times six is", "12"),
    ]
    first, last = run.records[0], run.records[-1]
    assert first.question == "What is 3 + 4?" and (first.prompt_tokens, first.completion_tokens) == (17, 4)
    assert (first.finish_reason, first.truncated) == ("unknown", False)
    assert (last.finish_reason, last.truncated) == ("length", True)
    assert (run.manifest.model.name, run.manifest.task) == ("base", "few_sums")
    assert (run.manifest.sampling.temperature, run.manifest.sampling.max_tokens) == (0.7, 16)
    assert (run.manifest.engine.name, run.manifest.engine.version) == ("verifiers", "0.1.14")
    assert run.lock.rule == "verifiers:reward" and "top_p" in run.lock.reading["unknown"]


def test_a_rollout_that_failed_is_unscored() -> None:
    run = read_verifiers(find_saved(SAVED / "few_sums--new")[0])
    assert Counter(entry.outcome for entry in run.records) == {"correct": 5, "wrong": 1, "unscored": 2}
    assert run.records[-1].reason == "verifiers: ModelError -> BadRequestError"


def change_results(folder: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    path = folder / "results.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


SPOILT: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "a rollout is missing": (lambda lines: lines.pop(), "holds 7 rollouts of 4 examples, .* it was cut"),
    "nothing": (lambda lines: lines.clear(), "holds 0 rollouts"),
    "a shaped reward": (
        lambda lines: lines[0].update(reward=0.9),
        "reward of example 0 is 0.9; only 0 and 1",
    ),
    "no number": (lambda lines: lines[0].update(reward="1"), "reward of example 0 is '1'"),
    "a conversation": (
        lambda lines: lines[0]["completion"].append({"role": "user", "content": "sure?"}),
        "a conversation of 2 messages",
    ),
    "a call of a tool": (
        lambda lines: lines[0]["completion"][0].update(tool_calls=[{"name": "add"}]),
        "or calls tools",
    ),
    "another prompt": (
        lambda lines: lines[1]["prompt"][0].update(content="Be long."),
        "example 0 has two different prompts",
    ),
    "an image": (
        lambda lines: lines[0]["prompt"][1].update(content=[{"type": "image_url"}]),
        "part of type 'image_url'",
    ),
    "no reward": (lambda lines: lines[2].pop("reward"), "line 3 is no rollout of verifiers"),
    "an empty prompt": (lambda lines: [line.update(prompt=[]) for line in lines], "is understood"),
    "a list for usage": (lambda lines: lines[0].update(token_usage=[1]), "is understood"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_cannot_be_represented_is_refused(copy: Path, how: str) -> None:
    change, says = SPOILT[how]
    change_results(copy, change)
    with pytest.raises(UserError, match=says):
        read_verifiers(copy)


def test_a_metric_counts_where_it_is_asked_for(copy: Path) -> None:
    change_results(copy, lambda lines: [line.update(reward=0.3) for line in lines])
    run = read_verifiers(copy, "right")
    assert run.lock.rule == "verifiers:right"
    assert Counter(entry.outcome for entry in run.records)["correct"] == 5
    with pytest.raises(
        UserError, match=r"short of example 0 is 0.14.*\(there are: right, short, num_turns\)"
    ):
        read_verifiers(copy, "short")
    with pytest.raises(UserError, match="righ of example 0 is None"):
        read_verifiers(copy, "righ")


def test_a_cut_line_and_a_newer_verifiers_are_one_sentence(copy: Path, tmp_path: Path) -> None:
    results = copy / "results.jsonl"
    results.write_bytes(results.read_bytes()[:-20])
    refused(evalkit("import", str(results), cwd=tmp_path), 2, "line 8 is not JSON", "was cut")
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer/traces.jsonl").write_text("{}\n")
    refused(evalkit("import", "newer", cwd=tmp_path), 2, "in verifiers' newer format")
