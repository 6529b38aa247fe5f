"""The examples of docs/python.md run, and importing evalkit stays light.

pytest tests/evalkit/library/test_python_docs.py
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas
import pytest
from places import ROOT, TESTS

import evalkit
from evalkit import grade_answer, load_run, read_answer
from prompts.errors import UserError

TEXT = (ROOT / "docs/python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(<!-- model -->\n)?```python\n(.*?)```", TEXT, re.DOTALL)


def run_blocks(blocks: list[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile("\n".join(blocks), "docs/python.md", "exec"), names)
    return names


def test_the_examples_without_a_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    names = run_blocks([code for needs_model, code in BLOCKS if not needs_model])
    out = capsys.readouterr().out
    for said in re.findall(r"print\(.*\) +# (.*)", TEXT):
        assert said in out.splitlines()
    assert names["reward"]("\\boxed{8}", "8") == 1.0 and names["reward"]("8", "8") == 0.0
    assert f"{100 * names['diff'].delta:+.1f} points" in out


def test_the_example_with_a_model(smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVALKIT_RESULTS", str(tmp_path / "results"))
    first, example = BLOCKS[0][1], next(code for needs_model, code in BLOCKS if needs_model)
    run = run_blocks([first, example])["run"]
    assert run.manifest.command == (
        "evalkit score --model smollm2-135m --task sums --engine hf --limit 2 --max-tokens 8"
    )
    assert run.complete and len(run.records) == 2 and run.folder.parent == tmp_path / "results"
    again = run_blocks([first, example])["run"]
    assert again.records == run.records


def test_a_frame_holds_what_the_records_hold() -> None:
    run = load_run(ROOT / "results/recorded/hf-sample")
    frame = run.frame()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == len(run.records) == 64
    assert frame.outcome.value_counts().to_dict() == run.manifest.counts
    for row, record in zip(frame.itertuples(), run.records, strict=True):
        assert (row.id, row.text, row.gold) == (record.id, record.text, record.gold)
        if record.extraction.span:
            assert (row.start, row.end) == record.extraction.span
        else:
            assert pandas.isna(row.start)
    empty = load_run(TESTS / "corpora/old_formats/run").frame().iloc[:0]
    assert list(empty.columns) == list(frame.columns)


def test_names_and_mistakes() -> None:
    assert set(evalkit.__all__) <= set(dir(evalkit))
    assert all(getattr(evalkit, name).__doc__ for name in evalkit.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'scoer_model'"):
        evalkit.scoer_model  # noqa: B018
    with pytest.raises(UserError, match="did you mean boxed"):
        read_answer("7", "boxd")
    with pytest.raises(UserError, match="gold is int"):
        grade_answer("7", 7, "boxed")  # type: ignore[arg-type]


def test_importing_loads_nothing_that_is_not_asked_for() -> None:
    code = (
        "import sys; before = set(sys.modules); import evalkit\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "['evalkit']"
