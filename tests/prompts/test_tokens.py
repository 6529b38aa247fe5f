"""Prompts to ids and back, with SmolLM2's real tokenizer and its variants."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import GOLDEN, ROOT

from prompts.errors import UserError
from prompts.lock_reading import probe_questions
from prompts.registry import get_template, load_templates
from prompts.render import render_question
from prompts.tokens import (
    DECODE_FLAGS,
    FROZEN_DATE,
    apply_chat,
    decode,
    decode_verbatim,
    encode,
    encode_all,
    encode_text,
    load_tokenizer,
    resolve_stop_ids,
)

PROMPT_IDS = GOLDEN / "prompt_ids.json"
CHAT = [{"role": "user", "content": "What is 1 + 1?"}]
BOS = "<|endoftext|>"
TURNS = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"


@pytest.fixture
def own(smollm2: Path) -> Any:
    """A tokenizer of one's own, to change."""
    return load_tokenizer(smollm2)


def puts_bos(tokenizer: Any) -> Any:
    """Make a tokenizer put BOS before every text, as Llama's and Gemma's do."""
    from tokenizers.processors import TemplateProcessing

    tokenizer.bos_token = BOS
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, tokenizer.bos_token_id)]
    )
    assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    return tokenizer


@pytest.mark.parametrize("bos", [False, True])
def test_many_prompts_have_the_ids_of_each(own: Any, bos: bool) -> None:
    if bos:
        puts_bos(own)
    prompts: list[Any] = [f"What is {n} + 1?" + " more" * (n % 5) for n in range(600)]
    prompts[3], prompts[7], prompts[300] = CHAT, "", f"{BOS}{BOS}twice"
    each = [tuple(encode(own, prompt)) for prompt in prompts]
    assert list(encode_all(own, iter(prompts))) == each
    assert list(encode_all(own, [])) == []


def test_prompts_of_all_templates_are_the_recorded_ids(tokenizer: Any) -> None:
    """A change here changes what every model reads: a new template version, or a fault.

    Recorded by: python tests/prompts/test_tokens.py > tests/golden/prompt_ids.json
    """
    assert prompt_ids(tokenizer) == json.loads(PROMPT_IDS.read_text())


def prompt_ids(tokenizer: Any) -> dict[str, str]:
    return {
        ref: " ".join(map(str, encode(tokenizer, render_question(template, probe_questions()[1]))))
        for ref, template in sorted(load_templates().items())
    }


@pytest.mark.parametrize("name", ["gsm8k-boxed", "gsm8k-4shot", "sums"])
def test_ids_are_those_of_the_chat_template_itself(tokenizer: Any, name: str) -> None:
    messages = render_question(get_template(name), "What is 1 + 1?")
    whole = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=True)["input_ids"]
    assert encode(tokenizer, messages) == whole


# SmolLM2 has no tokens for some control characters and for bytes from F1 up, and its decoder reads
# U+2581 as a space; "<" would begin special tokens.
KEPT = st.characters(
    max_codepoint=0xFFFF,
    exclude_categories=["Cs", "Cc"],
    include_characters="\n\t",
    exclude_characters="<\u2581",
)


@given(text=st.text(KEPT, max_size=100))
def test_decoding_a_prompt_gives_its_text(tokenizer: Any, text: str) -> None:
    assert decode_verbatim(tokenizer, encode_text(tokenizer, text)) == text
    prompt = render_question(get_template("gsm8k-boxed"), text)
    assert decode_verbatim(tokenizer, encode(tokenizer, prompt)) == apply_chat(tokenizer, prompt).text  # type: ignore[arg-type]


@pytest.mark.parametrize("writes_bos", [True, False])
@pytest.mark.parametrize("tokenizer_puts_bos", [True, False])
def test_bos_stands_once_whoever_writes_it(own: Any, writes_bos: bool, tokenizer_puts_bos: bool) -> None:
    own.bos_token = BOS
    if tokenizer_puts_bos:
        puts_bos(own)
    own.chat_template = ("{{ bos_token }}" if writes_bos else "") + TURNS
    ids = encode(own, CHAT)  # type: ignore[arg-type]
    expected = 1 if writes_bos or tokenizer_puts_bos else 0
    assert ids.count(own.bos_token_id) == expected
    assert (ids[0] == own.bos_token_id) == bool(expected)


@pytest.mark.parametrize("text", ["What is 1 + 1?", BOS + "What is 1 + 1?", BOS * 3 + "What is 1 + 1?"])
def test_bos_stands_once_before_raw_text(own: Any, text: str) -> None:
    puts_bos(own)
    ids = encode(own, text)
    assert ids[0] == own.bos_token_id
    assert ids.count(own.bos_token_id) == 1
    assert decode(own, ids) == "What is 1 + 1?"


def test_no_end_token_is_added_to_a_prompt(own: Any) -> None:
    from tokenizers.processors import TemplateProcessing

    end = own.eos_token
    own.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"$A {end}", pair=f"$A $B {end}", special_tokens=[(end, own.eos_token_id)]
    )
    assert own("a")["input_ids"][-1] == own.eos_token_id
    assert own.eos_token_id not in encode(own, "a")


def test_a_tokenizer_left_padding_and_truncating_gives_the_same_ids(own: Any) -> None:
    expected = encode(own, CHAT)  # type: ignore[arg-type]
    own(["a", "b c d e f"], padding="max_length", truncation=True, max_length=3)
    assert encode(own, CHAT) == expected  # type: ignore[arg-type]


def test_a_chat_prompt_without_chat_template_names_the_raw_one(own: Any) -> None:
    own.chat_template = None
    with pytest.raises(UserError, match=r"no chat template.*--prompt gsm8k-raw"):
        encode(own, CHAT)  # type: ignore[arg-type]
    raw = render_question(get_template("gsm8k-raw"), "What is 1 + 1?")
    assert decode(own, encode(own, raw)) == raw


def test_what_a_chat_template_refuses_is_said(own: Any) -> None:
    own.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(UserError, match="refuses the prompt: System role not supported"):
        encode(own, CHAT)  # type: ignore[arg-type]


def test_kwargs_reach_the_chat_template(own: Any) -> None:
    own.chat_template = (
        TURNS + "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
    )
    assert decode(own, encode(own, CHAT, {"enable_thinking": False})).endswith("<think></think>")  # type: ignore[arg-type]
    assert not decode(own, encode(own, CHAT)).endswith("<think></think>")  # type: ignore[arg-type]


def test_today_is_frozen(own: Any) -> None:
    own.chat_template = "Today is {{ strftime_now('%d %b %Y') }}.\n" + TURNS
    chat = apply_chat(own, CHAT)  # type: ignore[arg-type]
    assert chat.asked_date
    assert chat.text.startswith("Today is 26 Jul 2024.")
    assert datetime.now().date() != FROZEN_DATE.date()
    assert not apply_chat(load_tokenizer(Path(own.name_or_path)), CHAT).asked_date  # type: ignore[arg-type]


def test_completions_are_decoded_without_special_tokens_and_clean_up(tokenizer: Any) -> None:
    ids = encode_text(tokenizer, "It is 4 , isn 't it ?<|im_end|>")
    assert decode(tokenizer, ids) == "It is 4 , isn 't it ?"
    assert decode_verbatim(tokenizer, ids) == "It is 4 , isn 't it ?<|im_end|>"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, (2,)),
        ({}, (2,)),
        ({"eos_token_id": 0}, (0, 2)),
        ({"eos_token_id": [7, 2, 0]}, (0, 2, 7)),
        ({"eos_token_id": None, "temperature": 0.6, "top_p": 0.9}, (2,)),
    ],
)
def test_stop_ids_are_those_of_both_sources(
    tokenizer: Any, tmp_path: Path, content: dict[str, Any] | None, expected: tuple[int, ...]
) -> None:
    if content is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(content))
    assert resolve_stop_ids(tokenizer, tmp_path) == expected


def test_an_end_token_that_is_no_id_is_an_error(own: Any, tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": ["<|im_end|>"]}')
    with pytest.raises(UserError, match="token ids are whole numbers"):
        resolve_stop_ids(own, tmp_path)


def test_no_stop_id_at_all_is_an_error(own: Any, tmp_path: Path) -> None:
    own.eos_token = None
    with pytest.raises(UserError, match="names an end token"):
        resolve_stop_ids(own, tmp_path)


def test_half_a_character_in_a_row_is_named(tokenizer: Any) -> None:
    with pytest.raises(UserError, match=r"lone surrogate .*mend the row: it follows .*What is '$"):
        encode(tokenizer, render_question(get_template("sums-question"), "What is \ud83d + 1?"))


@pytest.mark.parametrize("content", ["[1, 2]", "{", '"x"'])
def test_a_broken_generation_config_is_named(tokenizer: Any, tmp_path: Path, content: str) -> None:
    (tmp_path / "generation_config.json").write_text(content)
    with pytest.raises(UserError, match=r"generation_config.json (is not JSON|holds \w+, not an object)"):
        resolve_stop_ids(tokenizer, tmp_path)


def test_folders_without_a_tokenizer_are_named(tmp_path: Path, model_copy: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match="nowhere is no model folder"):
        load_tokenizer(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no tokenizer that can be loaded"):
        load_tokenizer(tmp_path)
    broken = model_copy("broken")
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="holds no tokenizer that can be loaded"):
        load_tokenizer(broken)


def test_encoding_needs_no_torch(smollm2: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from prompts.registry import get_template\n"
        "from prompts.render import render_question\n"
        "from prompts.tokens import encode, load_tokenizer\n"
        "tokenizer = load_tokenizer(sys.argv[1])\n"
        "print(len(encode(tokenizer, render_question(get_template('sums'), '1 + 1'))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(smollm2)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_importing_prompts_loads_no_transformers() -> None:
    code = (
        "import sys, prompts.lock, prompts.tokens, prompts.lock_reading; print('transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


if __name__ == "__main__":
    from evalkit.models.resolve import model_folder

    print(json.dumps(prompt_ids(load_tokenizer(model_folder("smollm2-135m")[0])), indent=1))


@settings(max_examples=300)
@given(st.lists(st.integers(0, 49151), max_size=60))
def test_any_ids_are_decoded_as_the_tokenizer_s_own_method_does(tokenizer: Any, ids: list[int]) -> None:
    assert decode(tokenizer, ids) == tokenizer.decode(ids, **DECODE_FLAGS)
