"""What `trainkit grpo` finds out before it trains, without training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from locked import locked, parquet

from prompts.lock import FILE_NAME, read_lock
from prompts.template import BUILT_IN
from trainkit.options import resolve
from trainkit.prepare import Prepared, prepare

pytest.importorskip("torch")


@pytest.fixture
def model(smollm2: Path, model_copy: Callable[[str], Path]) -> Path:
    folder = model_copy("model")
    (folder / "model.safetensors").symlink_to(smollm2 / "model.safetensors")
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder with a template of one's own."""
    folder = tmp_path / "templates"
    folder.mkdir()
    text = (BUILT_IN / "gsm8k-boxed@1.toml").read_text().replace('name = "gsm8k-boxed"', 'name = "mine"')
    (folder / "mine@1.toml").write_text(text.replace("final", "last"))
    return folder


def prepared(model: Path, run: Path, *, dry: bool = True, **asked: Any) -> Prepared:
    given = {"model": str(model), "task": "sums", "steps": 1, "output": str(run), **asked}
    return prepare(resolve("grpo", given, preset=None, config=None, has_gpu=False), dry=dry)


def test_checkpoints_name_their_base_without_a_path_of_this_machine(smollm2: Path, tmp_path: Path) -> None:
    job = prepared(smollm2, tmp_path / "run").job
    assert job.base.name == "/".join(smollm2.parts[-2:])


def test_a_locked_model_is_trained_under_its_own_prompt_without_the_folder(
    model: Path, mine: Path, tmp_path: Path
) -> None:
    fingerprint = read_lock(locked(model, "mine@1", [mine]))
    shutil.rmtree(mine)
    found = prepared(model, tmp_path / "run")
    assert found.job.template == "mine@1" and fingerprint is not None
    assert found.job.fingerprint == fingerprint.fingerprint
    assert not [warning for warning in found.warnings if "was locked to" in warning]
    another = prepared(model, tmp_path / "another", prompt="sums")
    assert another.job.template == "sums@1"
    assert "--prompt mine@1" in "".join(another.warnings)


def test_rows_of_a_file_are_asked_as_the_model_is_locked(model: Path, mine: Path, tmp_path: Path) -> None:
    locked(model, "mine@1", [mine])
    rows = tmp_path / "rows.jsonl"
    lines = [{"question": f"What is {n} plus 7?", "answer": str(n + 7)} for n in range(60)]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert prepared(model, tmp_path / "run", task=str(rows)).job.template == "mine@1"


def test_another_task_keeps_its_own_prompt(model: Path, tmp_path: Path, data_folder: Path) -> None:
    locked(model, "gsm8k-hash@1")  # on sums
    found = prepared(model, tmp_path / "run", task="gsm8k", data=str(data_folder), limit=40)
    assert found.job.template == "gsm8k-boxed@1"
    assert "was locked to gsm8k-hash@1" in "".join(found.warnings)


def test_a_run_that_was_begun_and_data_keep_their_prompt(model: Path, tmp_path: Path) -> None:
    prepared(model, tmp_path / "begun", dry=False)
    data = parquet(model, tmp_path / "train.parquet")
    locked(model, "gsm8k-boxed@1")
    assert prepared(model, tmp_path / "begun").job.template == "sums@1"
    assert prepared(model, tmp_path / "new", parquet=str(data)).job.template == "sums@1"
    assert prepared(model, tmp_path / "new").job.template == "gsm8k-boxed@1"
    (model / FILE_NAME).unlink()
    assert prepared(model, tmp_path / "new").job.template == "sums@1"
