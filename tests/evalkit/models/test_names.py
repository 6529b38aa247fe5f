"""Names of several models: what run:all and lists of steps stand for.

pytest tests/evalkit/models/test_names.py
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.models.names import finished_steps, is_over, model_names, whole_run
from prompts.errors import UserError

HERE = "evalkit.models.names"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A training run with three steps, of which the last is still being saved."""
    folder = tmp_path / "demo"
    for step in (50, 100, 9):
        (folder / f"global_step_{step}").mkdir(parents=True)
    monkeypatch.setattr(f"{HERE}.last_complete_step", lambda folder: 50)
    (folder / "train.json").write_text('{"total_steps": 100}')
    return str(folder)


def test_names(run: str) -> None:
    assert finished_steps(f"{run}:all") == [f"{run}:step_9", f"{run}:step_50"]
    assert model_names([f"{run}:all", "smollm2-135m"]) == [f"{run}:step_9", f"{run}:step_50", "smollm2-135m"]
    assert model_names([f"{run}:step_100,step_9"]) == [f"{run}:step_100", f"{run}:step_9"]
    assert model_names(["org/model@main"]) == ["org/model@main"]
    assert whole_run([f"{run}:all"]) == f"{run}:all"
    assert whole_run([f"{run}:all", "other"]) is None


def test_a_run_is_over_when_its_last_step_is_saved(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_over(f"{run}:all")
    monkeypatch.setattr(f"{HERE}.last_complete_step", lambda folder: 100)
    assert is_over(f"{run}:all")
    (Path(run) / "train.json").unlink()
    assert not is_over(f"{run}:all")


def test_mistakes(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"no checkpoint .*step_7: .* holds step_9, step_50, step_100"):
        model_names([f"{run}:step_50,step_7"])
    with pytest.raises(UserError, match="twice"):
        model_names([f"{run}:all", f"{run}:step_50"])
    with pytest.raises(UserError, match="no training run"):
        model_names([f"{tmp_path}/none:all"])
    monkeypatch.setattr(f"{HERE}.last_complete_step", lambda folder: None)
    with pytest.raises(UserError, match="no finished checkpoint yet; wait for them with"):
        model_names([f"{run}:all"])
