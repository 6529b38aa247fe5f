"""The `reading` section of a prompt lock: found out by rendering, not by trusting settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompts.errors import UserError
from prompts.render import Message, render_question
from prompts.template import Template
from prompts.tokenizer_digest import tokenizer_parts
from prompts.tokens import DECODE_FLAGS, FROZEN_DATE, apply_chat, encode_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PROBE_FILE = Path(__file__).parent / "templates" / "probe.json"
"""Questions that every lock renders. Never edited: all fingerprints hang on them."""


def reading_of(
    template: Template, tokenizer: PreTrainedTokenizerFast, stop_ids: Sequence[int], scorer: Mapping[str, Any]
) -> dict[str, Any]:
    """All that decides what the model reads and how its answer is read, as plain JSON values."""
    chat = template.kind == "chat"
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
            "sha256": hashlib.sha256(tokenizer.get_chat_template().encode()).hexdigest(),
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
    }


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


def injected_system(tokenizer: PreTrainedTokenizerFast, kwargs: Mapping[str, Any] = {}) -> str | None:
    """The system message that the chat template adds by itself to a chat that has none.

    Found by comparison: a chat with a marked system message shows what stands around one, and what
    a chat without one has in that place was injected. Templates that always write a preamble
    (Llama 3's dates) give that preamble.
    """
    user = Message(role="user", content="\u241fquestion\u241f")
    system = Message(role="system", content="\u241fsystem\u241f")
    bare = apply_chat(tokenizer, [user], kwargs).text.split(user["content"])[0]
    try:
        marked = apply_chat(tokenizer, [system, user], kwargs).text.split(user["content"])[0]
    except UserError:
        return None  # the chat template knows no system message (Gemma)
    head, found, tail = marked.partition(system["content"])
    if not found or not bare.startswith(head) or not bare.endswith(tail) or len(bare) < len(head) + len(tail):
        return None
    return bare[len(head) : len(bare) - len(tail)].strip() or head.strip() or None
