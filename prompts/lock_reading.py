"""The `reading` section of a prompt lock: found out by rendering, not by trusting settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompts.chat.system import injected_system
from prompts.errors import UserError
from prompts.reading.thinking import VERSION as THINKING
from prompts.reading.thinking import divide, opened_by, thinking_specials, version_of
from prompts.render import render_question
from prompts.template import Template
from prompts.tokenizer.digest import tokenizer_parts
from prompts.tokens import DECODE_FLAGS, FROZEN_DATE, apply_chat, chosen_template, encode_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PROBE_FILE = Path(__file__).parent / "templates" / "probe.json"
"""Questions that every lock renders. Never edited: all fingerprints hang on them."""


def reading_of(
    template: Template,
    tokenizer: PreTrainedTokenizerFast,
    stop_ids: Sequence[int],
    scorer: Mapping[str, Any],
    thinking_tokens: int | None = None,
    like: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """All that decides what the model reads and how its answer is read, as plain JSON values."""
    chat = template.kind == "chat"
    chosen = chosen_template(tokenizer, template.chat_template_kwargs) if chat else ""
    texts, asked_date = [], False
    for question in probe_questions():
        text, asked = _prompt_text(template, tokenizer, question)
        texts.append(text)
        asked_date = asked_date or asked
    return {
        "template": {
            "ref": template.ref,
            "kind": template.kind,
            "sha256": template.text_sha256,
            "turns_sha256": _turns_sha256(template),
        },
        "system": _system(template, tokenizer),
        "chat_template": {
            "sha256": hashlib.sha256(chosen.encode()).hexdigest(),
            "kwargs": dict(template.chat_template_kwargs),
            "add_generation_prompt": True,
            "frozen_date": FROZEN_DATE.date().isoformat() if asked_date else None,
        }
        if chat
        else None,
        "tokenizer": tokenizer_parts(tokenizer),
        "stop_ids": sorted(stop_ids),
        "decode": dict(DECODE_FLAGS),
        "scorer": dict(scorer),
        "probe": {
            str(number): {"text": text, "ids": " ".join(map(str, encode_text(tokenizer, text)))}
            for number, text in enumerate(texts, 1)
        },
        **thinking_entry(template, tokenizer, thinking_tokens, version_of(like or {})),
    }


def thinking_entry(
    template: Template,
    tokenizer: PreTrainedTokenizerFast,
    budget: int | None = None,
    version: int = THINKING,
) -> dict[str, Any]:
    """The key `thinking`: what the prompt leaves open, and the special tokens by which thinking is read.

    Empty where the prompt opens no block and no special token marks one: thinking that the model then
    writes is plain text, and such locks are what they were before there was this key. `budget` is the
    number of tokens that thinking may take; no block is forced to close.
    """
    opens = _opened(template, tokenizer)
    added = tokenizer.added_tokens_decoder.values()
    special = thinking_specials(str(token) for token in added if token.special)
    if not (opens or special or budget):
        return {}
    limit = {} if budget is None else {"budget": budget, "forced": False}
    return {"thinking": {"version": version, "opens": opens, "special": special, **limit}}


def _opened(template: Template, tokenizer: PreTrainedTokenizerFast) -> str:
    """What a prompt leaves open, "" where nothing.

    Found in what the generation prompt adds, and else behind the last message: some chat templates write
    `<think>` there whether or not a generation prompt is asked for (DeepSeek-V3.2, Apriel).
    """
    rendered = render_question(template, probe_questions()[0])
    if isinstance(rendered, str):
        return opened_by(rendered, whole_lines=True)
    kwargs = template.chat_template_kwargs
    whole = apply_chat(tokenizer, rendered, kwargs).text
    behind = whole.rpartition(rendered[-1]["content"].strip())[2]
    try:
        closed = apply_chat(tokenizer, rendered, kwargs, add_generation_prompt=False).text
    except UserError:
        closed = ""
    if closed and whole.startswith(closed):
        return opened_by(whole[len(closed) :]) or opened_by(behind, whole_lines=True)
    return opened_by(behind)


def lost_thinking(template: Template, tokenizer: PreTrainedTokenizerFast) -> str | None:
    """A sentence where the chat template changes the answers of few-shot turns; None where it keeps them.

    Many strip `<think>` from all messages but the last: the model then sees examples that do not think.
    """
    if template.kind != "chat" or not template.turns:
        return None
    text = _prompt_text(template, tokenizer, probe_questions()[0])[0]
    lost = [number for number, turn in enumerate(template.turns, 1) if turn.answer.strip() not in text]
    if not lost:
        return None
    thinks = any(divide(template.turns[number - 1].answer).closed for number in lost)
    turns = f"turn{'s' if len(lost) > 1 else ''} {', '.join(map(str, lost))}"
    return (
        f"the chat template changes the answers of few-shot {turns} of {template.ref}"
        f"{': it strips their thinking' if thinks else ''}, so the model does not see them as they stand; "
        'take a raw template (kind = "raw"), or write the turns without it'
    )


def probe_questions() -> list[str]:
    """The fixed questions whose prompts stand in every lock."""
    questions: list[str] = json.loads(PROBE_FILE.read_text(encoding="utf-8"))
    return questions


def _prompt_text(template: Template, tokenizer: PreTrainedTokenizerFast, question: str) -> tuple[str, bool]:
    rendered = render_question(template, question)
    if isinstance(rendered, str):
        return rendered, False
    chat = apply_chat(tokenizer, rendered, template.chat_template_kwargs)
    return chat.text, chat.asked_date


def _turns_sha256(template: Template) -> str | None:
    if not template.turns:
        return None
    turns = json.dumps([[turn.question, turn.answer] for turn in template.turns], ensure_ascii=False)
    return hashlib.sha256(turns.encode()).hexdigest()


def _system(template: Template, tokenizer: PreTrainedTokenizerFast) -> dict[str, str] | None:
    """The system message that the model reads, and who wrote it; None where there is none."""
    if template.system is not None:
        return {"text": template.system, "from": "template"}
    injected = injected_system(tokenizer, template.chat_template_kwargs) if template.kind == "chat" else None
    return {"text": injected, "from": "chat template"} if injected else None
