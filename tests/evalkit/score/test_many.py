"""Several models by one command: what goes together, fresh starts, and checkpoints that come while it runs.

    pytest tests/evalkit/score/test_many.py

With an engine that answers at once; real ones are in tests/evalkit/engines/test_swap.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from evalkit.engines.base import Request
from evalkit.models.resolve import Model
from evalkit.records import Completion, Sampling
from evalkit.score.many import engine as engine_module
from evalkit.score.many import run as run_module
from evalkit.score.many.run import check_many, score_models
from evalkit.score.options import ScoreOptions
from evalkit.score.plan import RunPlan
from prompts.errors import UserError


class StandIn:
    """Says why not where it is asked to swap, or swaps; counts what was loaded."""

    name, version, dtype, fast_decode, copies, swapped, capacity = "vllm", "0", "float32", False, 1, False, 1
    marks: tuple[str, ...] = ()
    loaded: ClassVar[list[str]] = []
    reason: str | None = None
    closed = 0

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, stop_ids: Sequence[int]
    ) -> Iterator[Completion]:
        for request in requests:
            yield Completion(
                index=request.index, sample=request.sample, token_ids=(40, *stop_ids), finish_reason="stop"
            )

    def swap(self, model: Model) -> str | None:
        self.swapped = self.reason is None
        return self.reason

    def close(self) -> None:
        StandIn.closed += 1


@pytest.fixture
def models(smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three folders, of which the last two hold other weights than the first."""
    from safetensors.torch import load_file, save_file

    def load(plan: RunPlan, folder: Path) -> Any:
        StandIn.loaded.append(Path(plan.model.name).name)
        return StandIn()

    monkeypatch.setattr(engine_module, "load_engine", load)
    monkeypatch.setattr(engine_module, "check_engine", lambda name, options: 1)
    monkeypatch.setattr(StandIn, "loaded", [])
    monkeypatch.setattr(StandIn, "closed", 0)
    names = []
    for number in range(3):
        folder = tmp_path / f"m{number}"
        shutil.copytree(smollm2, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        file = next(smollm2.glob("*.safetensors"))
        norm = "model.norm.weight"
        tensors = {norm: load_file(file)[norm] + number}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        names.append(str(folder))
    return names


def asked_for(names: list[str], **options: Any) -> ScoreOptions:
    return ScoreOptions(model=names, task=["sums"], limit=4, max_tokens=8, **options)


def test_weights_are_swapped_or_the_engine_starts_afresh(
    models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    runs = list(score_models(asked_for(models), models, command="c", results=tmp_path / "one"))
    assert StandIn.loaded == ["m0"] and StandIn.closed == 1
    assert [run.manifest.engine.swapped for run in runs] == [False, True, True]
    assert len({run.manifest.model.weights_sha256 for run in runs}) == 3
    assert capsys.readouterr().err.count("weights swapped and compared in") == 2
    monkeypatch.setattr(StandIn, "reason", "1 weights are not the folder's (x)")
    runs = list(score_models(asked_for(models), models, command="c", results=tmp_path / "two"))
    assert StandIn.loaded == ["m0", "m0", "m1", "m2"] and StandIn.closed == 4
    assert [run.manifest.engine.swapped for run in runs] == [False] * 3
    assert "a fresh start, since 1 weights are not the folder's (x)" in capsys.readouterr().err


def test_checkpoints_that_come_are_scored_until_the_last(
    models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = models[:1]
    monkeypatch.setattr(run_module, "finished_steps", lambda name: list(there))
    monkeypatch.setattr(run_module, "is_over", lambda name: len(there) == 3)
    monkeypatch.setattr(run_module, "POLL", 0.01)
    found = []
    asked = asked_for(["demo:all"])
    for run in score_models(asked, list(there), command="c", results=tmp_path, watch=True):
        found.append(Path(run.manifest.model.name).name)
        if len(there) < 3:
            there.append(models[len(there)])
    assert found == ["m0", "m1", "m2"] and StandIn.loaded == ["m0"]


def test_what_does_not_go_with_several_models(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--watch scores the checkpoints of one training run"):
        check_many(asked_for(["a"]), watch=True)
    with pytest.raises(UserError, match=r"--output holds one run, 2 models are named"):
        check_many(asked_for(["x/a", "x/b"], output=tmp_path), watch=False)
    assert check_many(asked_for(["x/a"], output=tmp_path), watch=False) == ["x/a"]
