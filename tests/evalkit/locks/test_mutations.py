"""Over 150 edits of a locked model folder are refused, 50 harmless ones are not; two real tokenizer families.

In one process: tests/helpers/mutations.py and more_mutations.py list the edits.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import more_mutations
import pytest
from locked import locked
from mutations import CAUGHT, HARMLESS
from npm_tokenizers import npm_tokenizer

from evalkit.locks.check import check_all
from prompts import chat_limits
from prompts.errors import UserError

pytest.importorskip("torch")


EVERY_CAUGHT = {**CAUGHT, **more_mutations.CAUGHT}
EVERY_HARMLESS = {**HARMLESS, **more_mutations.HARMLESS}


@pytest.fixture(scope="module", params=["smollm2", pytest.param("qwen3", marks=pytest.mark.slow)])
def model(request: pytest.FixtureRequest, smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder without weights under a lock; SmolLM2's configuration, and the tokenizer of a family."""
    folder = tmp_path_factory.mktemp("models") / "model"
    shutil.copytree(smollm2, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    if request.param != "smollm2":
        from transformers import AutoTokenizer

        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            (folder / name).unlink()
        AutoTokenizer.from_pretrained(npm_tokenizer(request.param)).save_pretrained(folder)
    return locked(folder, "gsm8k-boxed@1")


def test_there_are_enough() -> None:
    assert (
        not CAUGHT.keys() & more_mutations.CAUGHT.keys()
        and not HARMLESS.keys() & more_mutations.HARMLESS.keys()
    )
    assert len(EVERY_CAUGHT) >= 150 and len(EVERY_HARMLESS) >= 50


@pytest.mark.parametrize("stride", [18, pytest.param(1, marks=pytest.mark.slow)])
def test_every_edit_is_refused_and_no_harmless_one(
    model: Path, stride: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them take minutes (`make slow`); every eighteenth is tried each time."""
    monkeypatch.setattr(chat_limits, "SECONDS", 2)
    missed, alarms = [], []
    for number, (name, edit) in enumerate([*EVERY_CAUGHT.items(), *EVERY_HARMLESS.items()][::stride]):
        folder = Path(shutil.copytree(model, tmp_path / str(number)))
        try:
            edit(folder)
            check_all(str(folder))
            missed += [name] if name in EVERY_CAUGHT else []
        except UserError as error:
            assert str(error)
            alarms += [f"{name}: {error}"] if name in EVERY_HARMLESS else []
        shutil.rmtree(folder)
    assert (missed, alarms) == ([], [])
