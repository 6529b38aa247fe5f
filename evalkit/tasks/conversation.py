"""Rows that bring a conversation whose last turn is to be answered: read strictly, sent as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prompts.errors import UserError

CONVERSATION_FIELDS = ("messages", "prompt")
"""Fields of a file that usually hold one: a list of objects with `role` and `content`."""
ROLES = ("system", "user", "assistant")


def read_conversation(turns: Sequence[Any], where: str) -> tuple[dict[str, str], ...]:
    """The messages of a conversation; UserError where its last turn is not the user's, or one is unreadable.

    `where` says in the message which row and field it is.
    """
    messages = tuple(_turn(turn, number, where) for number, turn in enumerate(turns, 1))
    if not messages or messages[-1]["role"] != "user":
        last = messages[-1]["role"] if messages else "nobody"
        raise UserError(
            f"{where}: the last turn must be the user's, which the model answers; it is that of {last}; "
            "take the answer out of the conversation, into the field that --answer-field names"
        )
    return messages


def _turn(turn: Any, number: int, where: str) -> dict[str, str]:
    if not isinstance(turn, dict) or not {"role", "content"} <= turn.keys():
        raise UserError(f"{where}: turn {number} is no object with role and content, but {turn!r:.60}")
    role, content = turn["role"], turn["content"]
    if role not in ROLES:
        raise UserError(f"{where}: turn {number} has the role {role!r}; there are {', '.join(ROLES)}")
    if not isinstance(content, str) or not content.strip():
        raise UserError(f"{where}: the content of turn {number} is {content!r:.60}, not a text")
    if more := [key for key, value in turn.items() if key not in ("role", "content") and value is not None]:
        raise UserError(f"{where}: turn {number} holds {', '.join(more)} too, which would be lost; remove it")
    return {"role": role, "content": content}
