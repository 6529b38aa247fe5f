"""No manifest holds a whole path, and the command in it can still be given again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from evalkit.portable import command_line, portable


def test_a_command_holds_no_whole_path_and_leads_to_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name in ("model", "mine.jsonl", "here/theirs.jsonl", "grade.py"):
        (tmp_path / name).touch()
    monkeypatch.chdir(here)
    given = ["score", "--model", f"{tmp_path}/model", f"--task={here}/theirs.jsonl,{tmp_path}/mine.jsonl*2"]
    given += ["--rule", f"python:{tmp_path}/grade.py:grade", "--base-url", "http://localhost:8000/v1"]
    given += ["--output", f"{tmp_path}/with space", "--prompts", "../mine", "--seed", "0"]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/evalkit", *given])
    assert command_line() == (
        "evalkit score --model ../model '--task=theirs.jsonl,../mine.jsonl*2' "
        "--rule python:../grade.py:grade --base-url http://localhost:8000/v1 "
        "--output '../with space' --prompts ../mine --seed 0"
    )
    assert all(str(tmp_path) not in word for word in shlex.split(command_line()))


def test_a_path_is_as_short_as_it_can_be_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert portable(tmp_path / "models/one") == "models/one"
    assert portable(Path("/somewhere/else/models/one")) == "models/one"


def test_a_command_given_in_a_folder_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(sys, "argv", ["evalkit", "show", "/runs/one"])
    assert command_line() == "evalkit show /runs/one"
