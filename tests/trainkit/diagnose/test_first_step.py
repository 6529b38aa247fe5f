"""A start says where replies could not end.

pytest tests/trainkit/diagnose/test_first_step.py
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from trainkit.options import resolve
from trainkit.prepare import prepare
from trainkit.train import summary


@pytest.mark.parametrize(
    ("end_token", "prompt", "warned"),
    [("<|endoftext|>", "sums", True), ("<|im_end|>", "sums", False), ("<|endoftext|>", "gsm8k-raw", False)],
)
def test_a_model_whose_chat_ends_with_no_stop_id_is_named(
    smollm2: Path,
    model_copy: Callable[[str], Path],
    tmp_path: Path,
    end_token: str,
    prompt: str,
    warned: bool,
) -> None:
    """As GGUF conversions leave Qwen2.5 and SmolLM2: the base model's end token, so no reply ever ends."""
    folder = model_copy("model")
    (folder / "model.safetensors").symlink_to(smollm2 / "model.safetensors")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": end_token}))
    ends = 0 if end_token == "<|endoftext|>" else 2
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    asked = {"model": str(folder), "task": "sums", "prompt": prompt, "steps": 1}
    asked["output"] = str(tmp_path / "run")
    prepared = prepare(resolve("grpo", asked, preset=None, config=None, has_gpu=False), dry=True)
    shutil.rmtree(folder)  # what is said was found out while the tokenizer was at hand
    assert ("replies will run on" in summary(prepared)) is warned
