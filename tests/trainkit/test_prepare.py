"""What `trainkit grpo` finds out before it trains, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainkit.options import resolve
from trainkit.prepare import Prepared, prepare

pytest.importorskip("torch")


def prepared(model: Path, run: Path, **asked: Any) -> Prepared:
    given = {"model": str(model), "task": "sums", "steps": 1, "output": str(run), **asked}
    return prepare(resolve("grpo", given, preset=None, config=None, has_gpu=False), dry=True)


def test_checkpoints_name_their_base_without_a_path_of_this_machine(smollm2: Path, tmp_path: Path) -> None:
    job = prepared(smollm2, tmp_path / "run", prompt="sums").job
    assert job.base.name == "/".join(smollm2.parts[-2:])
