"""The project's settings are found from its subfolders, and its paths are relative to its own folder.

pytest tests/evalkit/test_settings.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalkit.settings import settings
from prompts.errors import UserError


def project(folder: Path, text: str) -> Path:
    (folder / "a/b").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(text)
    return folder / "a/b"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: Any) -> None:
    for name in ("DATA", "PROMPTS", "RESULTS", "RUNS"):
        monkeypatch.delenv(f"EVALKIT_{name}", raising=False)


def test_found_from_a_subfolder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(project(tmp_path, '[tool.evalkit]\nresults = "out"\nprompts = ["mine"]\n'))
    found = settings()
    assert found.results.resolve() == tmp_path / "out"
    assert [path.resolve() for path in found.prompts] == [tmp_path / "mine"]
    assert found.runs.resolve() == tmp_path / "runs", "defaults lie in the project, too"


def test_the_nearest_file_with_the_table_counts(tmp_path: Path, monkeypatch: Any) -> None:
    inner = project(tmp_path, '[tool.evalkit]\nresults = "out"\n')
    (inner / "pyproject.toml").write_text('[project]\nname = "another"\n')
    monkeypatch.chdir(inner)
    assert settings().results.resolve() == tmp_path / "out"


def test_without_a_table_everything_lies_here(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(project(tmp_path, '[project]\nname = "another"\n'))
    assert (settings().results, settings().runs, settings().prompts) == (Path("results"), Path("runs"), ())


def test_variables_are_relative_to_the_current_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(project(tmp_path, '[tool.evalkit]\nresults = "out"\n'))
    monkeypatch.setenv("EVALKIT_RESULTS", "here")
    assert settings().results == Path("here")


def test_an_unknown_key_is_named_with_the_file(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(project(tmp_path, '[tool.evalkit]\nresult = "out"\n'))
    with pytest.raises(UserError, match=r"pyproject.toml: \[tool.evalkit\] has no key 'result'; known: data"):
        settings()
