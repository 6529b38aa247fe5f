"""What chat templates do beside placing messages: system text of their own, ends of replies, several at once.

The templates are cut to what is tested, in the form that the families have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evalkit.locks.notes import reading_notes, reading_warnings
from prompts.chat.ends import stop_warning, turn_ends
from prompts.chat.system import injected_system
from prompts.errors import UserError
from prompts.lock import difference_of_locks, make_lock
from prompts.registry import get_template
from prompts.tokens import apply_chat, load_tokenizer

pytest.importorskip("transformers")
CHAT = [{"role": "user", "content": "What is 1 + 1?"}]
TURNS = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
MARKS = ("<|user|>", "<|assistant|>", "<|system|>", "<|developer|>", "<|message|>", "<|close|>", "<|return|>")


@pytest.fixture
def own(smollm2: Path) -> Any:
    """A tokenizer of one's own, with special tokens as several families have them."""
    tokenizer = load_tokenizer(smollm2)
    tokenizer.add_special_tokens({"additional_special_tokens": list(MARKS)})
    return tokenizer


SYSTEM_TURN = "{% if messages[0]['role'] != 'system' %}system: Be good.\n{% endif %}"


@pytest.mark.parametrize(
    ("chat_template", "injected"),
    [
        (TURNS, None),
        (SYSTEM_TURN + TURNS, "Be good."),
        (
            "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TURNS,
            None,
        ),
        ("Cutoff 2023.\n" + TURNS, None),
        (
            "Cutoff 2023. {% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% endif %}\n"
            + TURNS.replace("in messages", "in messages if m['role'] != 'system'"),
            "Cutoff 2023.",
        ),
    ],
)
def test_a_system_message_that_the_chat_template_injects_is_found(
    own: Any, chat_template: str, injected: str | None
) -> None:
    own.chat_template = chat_template
    assert injected_system(own) == injected


GPT_OSS = (
    "<|system|>system<|message|>You are ChatGPT.\nReasoning: medium<|close|>"
    "{% if messages[0].role == 'system' %}<|developer|>developer<|message|># Instructions\n"
    "{{ messages[0].content }}<|close|>{% endif %}"
    "{% for m in messages if m.role != 'system' %}"
    "<|user|>{{ m.role }}<|message|>{{ m.content }}<|close|>{% endfor %}"
)
"""A preamble in a turn of its own; the chat's system message follows as another role."""
GRANITE = (
    "{% if messages[0].role == 'system' %}{% set said = messages[0].content %}{% else %}"
    "{% set said = 'Knowledge Cutoff Date: April 2024.\nToday\\'s Date: '"
    " + strftime_now('%B %d, %Y') + '.' %}"
    "{% endif %}<|system|>system<|message|>{{ said }}<|close|>\n"
    "{% for m in messages if m.role != 'system' %}<|user|>{{ m.role }}<|message|>{{ m.content }}<|close|>\n"
    "{% endfor %}"
)
"""A default with the date, replaced by the chat's own."""
R1 = (
    "{{ bos_token }}{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}"
    "{% for m in messages if m.role != 'system' %}<|user|>{{ m.content }}{% endfor %}"
)
"""The system message is plain text after BOS; without one nothing stands there."""
NEMOTRON = (
    "<|system|>system<|message|>\n\n"
    "{% if messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}"
    "<|close|>{% for m in messages if m.role != 'system' %}<|user|>{{ m.content }}{% endfor %}"
)
"""A system turn that is always written, and empty without a message."""
GEMMA_2 = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}<|user|>user\n" + TURNS


@pytest.mark.parametrize(
    ("chat_template", "system"),
    [
        (GPT_OSS, "You are ChatGPT.\nReasoning: medium"),
        (GRANITE, "Knowledge Cutoff Date: April 2024.\nToday's Date: July 26, 2024."),
        (R1, None),
        (NEMOTRON, None),
        (GEMMA_2, None),
    ],
    ids=["gpt-oss", "granite", "R1", "nemotron", "gemma 2"],
)
def test_the_system_message_of_families(own: Any, chat_template: str, system: str | None) -> None:
    own.chat_template = chat_template
    assert injected_system(own) == system


def test_a_lock_from_before_that_found_another_system_text_is_no_difference(own: Any) -> None:
    own.chat_template = GPT_OSS
    facts: dict[str, Any] = {"task": None, "split": None, "prompts": [], "sampling": {}}
    lock = make_lock(
        template=get_template("gsm8k-boxed@1"),
        tokenizer=own,
        stop_ids=[2],
        scorer={"rule": "boxed@2", "version": 3},
        **facts,
    )
    before = type(lock)({**lock.reading, "system": None}, lock.data, lock.budget)
    assert lock.reading["system"]["text"].startswith("You are ChatGPT.")
    assert difference_of_locks(before, lock) == []
    own_system = {**lock.reading, "system": {"text": "Be good.", "from": "template"}}
    assert difference_of_locks(type(lock)(own_system, lock.data, lock.budget), lock)


def test_smollm2_s_own_system_message_is_found(tokenizer: Any) -> None:
    assert (
        injected_system(tokenizer) == "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    )


@pytest.mark.parametrize(
    ("chat_template", "ends", "stops", "warned"),
    [
        # ChatML; GGUF files of Qwen load with <|endoftext|> as end token, while replies end with <|im_end|>
        (None, ["<|im_end|>"], "<|im_end|>", False),
        (None, ["<|im_end|>"], "<|endoftext|>", True),
        # Cohere2 puts two, and the second one is the stop
        (
            "{% for m in messages %}<|user|>{{ m.content }}<|message|><|close|>{% endfor %}",
            ["<|message|>", "<|close|>"],
            "<|close|>",
            False,
        ),
        # GLM-4.5 puts none: a reply ends where the next turn begins
        (
            "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}",
            ["<|user|>"],
            "<|endoftext|>",
            True,
        ),
        (
            "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}",
            ["<|user|>"],
            "<|user|>",
            False,
        ),
        # gpt-oss closes the last reply otherwise than those before it
        (
            "{% for m in messages %}<|user|>{{ m.content }}"
            "{% if loop.last %}<|return|>{% else %}<|close|>{% endif %}{% endfor %}",
            ["<|return|>"],
            "<|return|>",
            False,
        ),
        (TURNS, [], "<|endoftext|>", False),
        ("{{ raise_exception('one turn only') }}", [], "<|endoftext|>", False),
    ],
)
def test_replies_end_as_the_chat_template_ends_them(
    own: Any, chat_template: str | None, ends: list[str], stops: str, warned: bool
) -> None:
    own.chat_template = chat_template or own.chat_template
    assert [text for _, text in turn_ends(own)] == ends
    stop_id = own.convert_tokens_to_ids(stops)
    warning = stop_warning(own, [stop_id])
    assert (warning is not None) == warned
    assert warning is None or f"{ends[0]} (id {own.convert_tokens_to_ids(ends[0])})" in warning


def test_one_of_several_chat_templates_is_named(own: Any) -> None:
    own.chat_template = {"default": TURNS, "rag": "By the book.\n" + TURNS}
    assert apply_chat(own, CHAT).text == "user: What is 1 + 1?\n"  # type: ignore[arg-type]
    assert apply_chat(own, CHAT, {"chat_template": "rag"}).text.startswith("By the book.")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no chat template named 'tools'; it has default, rag"):
        apply_chat(own, CHAT, {"chat_template": "tools"})  # type: ignore[arg-type]
    own.chat_template = {"rag": TURNS}
    with pytest.raises(UserError, match=r'chat_template_kwargs = \{ chat_template = "rag" \}'):
        apply_chat(own, CHAT)  # type: ignore[arg-type]
    own.chat_template = TURNS
    with pytest.raises(UserError, match="leave chat_template out"):
        apply_chat(own, CHAT, {"chat_template": "Hello {{ messages }}"})  # type: ignore[arg-type]


def test_the_named_chat_template_is_the_one_in_the_lock(own: Any) -> None:
    from dataclasses import replace

    own.chat_template = {"default": TURNS, "rag": "By the book.\n" + TURNS}
    facts: dict[str, Any] = {"task": None, "split": None, "prompts": [], "sampling": {}}
    plain = get_template("gsm8k-boxed@1")
    hashes = {
        make_lock(
            template=replace(plain, chat_template_kwargs=kwargs),
            tokenizer=own,
            stop_ids=[2],
            scorer={"rule": "boxed@2"},
            **facts,
        ).reading["chat_template"]["sha256"]
        for kwargs in ({}, {"chat_template": "default"}, {"chat_template": "rag"})
    }
    assert len(hashes) == 2


def test_two_chat_templates_that_differ_are_said(own: Any, tmp_path: Path) -> None:
    template = get_template("gsm8k-boxed@1")
    own.save_pretrained(tmp_path)
    text = (tmp_path / "chat_template.jinja").read_text()
    config = tmp_path / "tokenizer_config.json"
    assert reading_warnings(template, own, tmp_path, [2]) == []
    put_template(config, text)
    assert reading_warnings(template, own, tmp_path, [2]) == []
    put_template(config, text + "x")
    (warning,) = reading_warnings(template, own, tmp_path, [2])
    assert "two chat templates that differ; chat_template.jinja is used" in warning
    assert reading_warnings(get_template("gsm8k-raw"), own, tmp_path, [2]) == []


def put_template(config: Path, text: str) -> None:
    import json

    config.write_text(json.dumps({**json.loads(config.read_text()), "chat_template": text}))


def test_what_was_done_to_a_prompt_is_said(own: Any) -> None:
    """A frozen date (Llama 3.2), and BOS where the chat template leaves it out (zephyr)."""
    from tokenizers.processors import TemplateProcessing

    template = get_template("gsm8k-boxed@1")
    assert reading_notes(template, own) == []
    own.chat_template = "{{ strftime_now('%d %b %Y') }}\n" + TURNS
    (dated,) = reading_notes(template, own)
    assert "told 26 Jul 2024" in dated
    bos = "<|endoftext|>"
    own.chat_template, own.bos_token = TURNS, bos
    own.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, own.bos_token_id)]
    )
    (added,) = reading_notes(template, own)
    assert added.startswith("<|endoftext|> (id 0) was put first")
