"""`evalkit import` of inspect's logs, as inspect-ai 0.3.285 wrote them, and spoilt ones.

pytest tests/evalkit/exchange/test_inspect_in.py
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_runs import evalkit, refused
from places import TESTS

from evalkit.exchange.inspect_in import read_inspect
from prompts.errors import UserError

LOGS = TESTS / "corpora/inspect"


def test_two_logs_are_paired(tmp_path: Path) -> None:
    for name in ("base", "new"):
        done = evalkit("import", str(LOGS / f"{name}.eval"), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    base, new = sorted((tmp_path / "results").iterdir(), reverse=True)
    done = evalkit("diff", base.name, new.name, "--rows", "fixed", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fixed"] == 1
    again = evalkit("import", str(LOGS / "new.eval"), cwd=tmp_path)
    refused(again, 2, "this log was imported before")


def test_what_is_read() -> None:
    run = read_inspect(LOGS / "new.eval")
    found = {record.own_id: record for record in run.records}
    assert {name: (entry.outcome, entry.text, entry.gold) for name, entry in found.items()} == {
        "one": ("correct", "it is 7", "7"),
        "2": ("wrong", "it is 9", "8"),
    }
    assert found["one"].question == "What is 3 + 4?" and found["one"].completion_tokens == 4
    assert (run.manifest.task, run.manifest.model.name) == ("sums", "mockllm/model")
    assert run.lock.rule == "inspect:includes" and "tokenizer" in run.lock.reading["unknown"]
    as_json = read_inspect(LOGS / "new.json")  # the same evaluation, in inspect's other format
    assert {entry.own_id: entry for entry in as_json.records} == found
    assert as_json.lock.data == run.lock.data


def score(log: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = log["samples"][0]["scores"]
    return found


SPOILT: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "cut": (lambda log: log["samples"].pop(), "holds 1 samples, its results say 2"),
    "cancelled": (lambda log: log.update(status="cancelled"), "its status is 'cancelled'"),
    "a share": (lambda log: score(log)["includes"].update(value=0.5), "verdict on sample 2 is 0.5"),
    "another scorer": (
        lambda log: score(log).update(other={"value": "C"}),
        "several scorers gave verdicts; there are includes, other: --filter includes",
    ),
    "no scores": (lambda log: [s.pop("scores") for s in log["samples"]], "no scorer gave a verdict"),
    "a text for a sample": (lambda log: log["samples"][0].update(input=7), "no log that is understood"),
    "no model": (lambda log: log["eval"].pop("model"), "no log that is understood"),
    "a number for the samples": (lambda log: log.update(samples=7), "no log of inspect's"),
    "an empty conversation": (lambda log: log["samples"][0].update(input=[]), "no log that is understood"),
    "an epoch too many": (lambda log: log["samples"][0].update(epoch=7), "every epoch of every sample"),
    "an epoch below 1": (lambda log: [s.update(epoch=-1) for s in log["samples"]], "every epoch of every"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_cannot_be_trusted_is_refused(tmp_path: Path, how: str) -> None:
    change, says = SPOILT[how]
    log = json.loads((LOGS / "new.json").read_text())
    change(log)
    (tmp_path / "log.json").write_text(json.dumps(log))
    with pytest.raises(UserError, match=says):
        read_inspect(tmp_path / "log.json")


@pytest.mark.parametrize("size", [0, 10, 3000])
def test_a_broken_archive_is_one_sentence(tmp_path: Path, size: int) -> None:
    (tmp_path / "log.eval").write_bytes((LOGS / "new.eval").read_bytes()[:size])
    refused(evalkit("import", "log.eval", cwd=tmp_path), 2, "is no log of inspect's")


def test_a_sample_that_failed_is_unscored(tmp_path: Path) -> None:
    log = json.loads((LOGS / "new.json").read_text())
    log["samples"][0]["error"] = {"message": "timeout"}
    (tmp_path / "log.json").write_text(json.dumps(log))
    outcomes = [(entry.outcome, entry.reason) for entry in read_inspect(tmp_path / "log.json").records]
    assert outcomes == [("unscored", "inspect: timeout"), ("correct", "verdict of the log")]
