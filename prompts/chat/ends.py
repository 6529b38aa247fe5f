"""How a chat template ends a reply, found by rendering one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prompts.errors import UserError
from prompts.render import Message
from prompts.tokenizer.load import plain_ids
from prompts.tokens import apply_chat, decode_verbatim

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_REPLY = "\u241freply\u241f"


def turn_ends(tokenizer: PreTrainedTokenizerFast, kwargs: Mapping[str, Any] = {}) -> list[tuple[int, str]]:
    """The special tokens that the chat template puts right after a reply, as ids and texts; empty for none.

    A model that was taught to end its turns so, and none of whose stop ids is among them, runs on to the
    limit. Where nothing stands after the last reply (GLM-4.5), it is what the next turn begins with.
    """
    user, reply = Message(role="user", content="a"), Message(role="assistant", content=_REPLY)
    for chat in ([user, reply], [user, reply, Message(role="user", content="b")]):
        try:
            text = apply_chat(tokenizer, chat, kwargs, add_generation_prompt=False).text
        except UserError:
            return []
        _, found, after = text.rpartition(_REPLY)
        if ends := _leading_special(tokenizer, after.lstrip()) if found else []:
            return ends
    return []


def _leading_special(tokenizer: PreTrainedTokenizerFast, text: str) -> list[tuple[int, str]]:
    """The special tokens that a text begins with."""
    ends: list[tuple[int, str]] = []
    for token in plain_ids(tokenizer, text, special=False):
        if token not in tokenizer.added_tokens_decoder:
            break
        ends.append((token, decode_verbatim(tokenizer, [token])))
    return ends


def stop_warning(
    tokenizer: PreTrainedTokenizerFast, stop_ids: Sequence[int], kwargs: Mapping[str, Any] = {}
) -> str | None:
    """A sentence where replies cannot end as the chat template ends them; None where all is well."""
    ends = turn_ends(tokenizer, kwargs)
    if not ends or {token for token, _ in ends} & set(stop_ids):
        return None
    names = " ".join(text for _, text in ends[:3])
    ids = ", ".join(str(token) for token, _ in ends[:3])
    return (
        f"the chat template ends a reply with {names} (id {ids}), which is not among the stop ids "
        f"{list(stop_ids)}: replies will run on; add it to eos_token_id in generation_config.json"
    )
