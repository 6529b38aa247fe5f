"""Logs of older versions of lm-evaluation-harness, and results files that are none.

pytest tests/evalkit/exchange/test_old_lm_eval.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from places import CORPORA

from evalkit.exchange.lm_eval_in.import_run import read_log
from prompts.errors import UserError


def log(folder: Path, results: str | None = None) -> tuple[Path, list[dict[str, Any]]]:
    """A path for a sample log with the results beside it, and the strict lines of a recorded one."""
    recorded = sorted((CORPORA / "lm_eval").rglob("samples_*.jsonl"))[0]
    if results is not None:
        (folder / recorded.name.replace("samples_gsm8k", "results").replace("jsonl", "json")).write_text(
            results
        )
    lines = [json.loads(line) for line in recorded.read_text(encoding="utf-8").splitlines()]
    return folder / recorded.name, [line for line in lines if line["filter"] == "strict-match"]


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_arguments_as_a_list_and_no_filter(tmp_path: Path) -> None:
    path, lines = log(tmp_path)
    new = read_log(written(path, lines))
    for line in lines:
        line["arguments"] = [list(line["arguments"]["gen_args_0"].values())]
        line["filter"] = None
    old = read_log(written(path, lines))
    assert old.lock.data == new.lock.data and old.lock.budget == new.lock.budget
    assert [r.outcome for r in old.records] == [r.outcome for r in new.records]


@pytest.mark.parametrize(
    "results",
    ["[" * 100_000, "[]", '{"n-shot": 5}', '{"configs": {"gsm8k": 5}}', '{"date": "x"}', '{"versions": [1]}'],
)
def test_a_results_file_of_another_form_is_named(tmp_path: Path, results: str) -> None:
    path, lines = log(tmp_path, results)
    with pytest.raises(UserError, match=r"results_.*\.json"):
        read_log(written(path, lines))


def test_a_results_file_may_leave_things_out(tmp_path: Path) -> None:
    path, lines = log(tmp_path, '{"n-shot": null, "date": null, "results": {"gsm8k": {"x": NaN}}}')
    assert read_log(written(path, lines)).records
