"""A checkpoint has the tokenizer files of its base, whatever save_pretrained made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from prompts.tokens import load_tokenizer, tokenizer_digest
from trainkit.runs.base_tokenizer import FILES, keep_base_tokenizer

pytest.importorskip("transformers")


def files_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}


def test_the_files_of_the_base_stand_in_the_checkpoint(
    model_copy: Callable[[str], Path], tmp_path: Path
) -> None:
    base, saved = model_copy("base"), tmp_path / "saved"
    config = json.loads((base / "tokenizer_config.json").read_text())
    template = (base / "chat_template.jinja").read_text()
    (base / "chat_template.jinja").unlink()  # as older folders have it
    (base / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": template}))
    tokenizer = load_tokenizer(base)
    tokenizer.add_tokens(["14"])  # ids that change on the way
    tokenizer.save_pretrained(saved)
    (saved / "config.json").write_text("{}")
    assert tokenizer_digest(load_tokenizer(saved)) != tokenizer_digest(load_tokenizer(base))
    keep_base_tokenizer(base, saved)
    assert files_of(saved) == files_of(base)
    assert (saved / "config.json").read_text() == "{}"
    assert tokenizer_digest(load_tokenizer(saved)) == tokenizer_digest(load_tokenizer(base))
    assert load_tokenizer(saved).chat_template == template


def test_without_the_base_the_saved_files_stay(model_copy: Callable[[str], Path], tmp_path: Path) -> None:
    saved = model_copy("saved")
    before = files_of(saved)
    keep_base_tokenizer(tmp_path / "gone", saved)
    (tmp_path / "empty").mkdir()
    keep_base_tokenizer(tmp_path / "empty", saved)
    assert files_of(saved) == before
