"""The system message that a chat template writes by itself, found by rendering chats with and without one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prompts.errors import UserError
from prompts.render import Message
from prompts.tokens import apply_chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_USER = Message(role="user", content="\u241fquestion\u241f")
_SYSTEM = Message(role="system", content="\u241fsystem\u241f")
_ROLES = ("system", "developer")


def injected_system(tokenizer: PreTrainedTokenizerFast, kwargs: Mapping[str, Any] = {}) -> str | None:
    """The system message that the chat template adds by itself to a chat that has none.

    Found by comparison: a chat with a marked system message shows what stands around one, and what
    a chat without one has in that place was injected. Templates that always write a preamble give that
    preamble, in the system turn itself (Llama 3's dates) or in one before it (gpt-oss). Special tokens and
    names of roles are no message: an empty system turn (Nemotron) is none.
    """
    bare = apply_chat(tokenizer, [_USER], kwargs).text.split(_USER["content"])[0]
    try:
        marked = apply_chat(tokenizer, [_SYSTEM, _USER], kwargs).text.split(_USER["content"])[0]
    except UserError:  # the chat template knows no system message (Gemma 2)
        return _own_turn(tokenizer, bare)
    head, found, tail = marked.partition(_SYSTEM["content"])
    if not found:
        return None
    if not bare.startswith(head) or not bare.endswith(tail) or len(bare) < len(head) + len(tail):
        return _own_turn(tokenizer, bare)
    inside = bare[len(head) : len(bare) - len(tail)].strip()
    return inside or _text_of(tokenizer, head)


def _own_turn(tokenizer: PreTrainedTokenizerFast, bare: str) -> str | None:
    """The text of a system turn that special tokens mark, whether or not the chat brings one of its own."""
    parts = _parts(tokenizer, bare)
    for at, part in enumerate(parts[:-1]):
        if part.strip().lower() in _ROLES:
            return parts[at + 1].strip() or None
    return None


def _text_of(tokenizer: PreTrainedTokenizerFast, text: str) -> str | None:
    """A text without its special tokens and the names of roles between them."""
    parts = (part.strip() for part in _parts(tokenizer, text))
    return "\n".join(part for part in parts if part and part.lower() not in _ROLES) or None


def _parts(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    special = sorted(map(str, tokenizer.added_tokens_decoder.values()), key=len, reverse=True)
    return re.split("|".join(map(re.escape, special)), text) if special else [text]
