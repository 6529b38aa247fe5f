"""Rows to prompts: the one place where a template's text meets a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict

from prompts.template import PLACEHOLDER, Template

RAW_SEPARATOR = "\n\n"
"""Between the worked examples of a raw template, and before its question."""


class Message(TypedDict):
    role: str
    content: str


Rendered = list[Message] | str
"""Messages for a chat template, or the text itself (raw templates)."""


class RowLike(Protocol):
    """What rendering reads of a row; `evalkit.records.Row` is one."""

    @property
    def question(self) -> str: ...
    @property
    def fields(self) -> Mapping[str, Any]: ...
    @property
    def messages(self) -> Sequence[Mapping[str, str]] | None: ...


def render(template: Template, row: RowLike) -> Rendered:
    """The prompt of a row: messages for a chat template, text for a raw one.

    A row that brings messages (a parquet made for verl) is rendered as those messages.
    """
    if row.messages is not None:
        return [Message(role=message["role"], content=message["content"]) for message in row.messages]
    return render_question(template, row.question)


def render_question(template: Template, question: str) -> Rendered:
    """The prompt of a bare question."""
    if template.kind == "raw":
        parts = [template.system] if template.system is not None else []
        parts += [_fill(template.user, turn.question) + turn.answer for turn in template.turns]
        return RAW_SEPARATOR.join([*parts, _fill(template.user, question)])
    messages = []
    if template.system is not None:
        messages.append(Message(role="system", content=template.system))
    for turn in template.turns:
        messages.append(Message(role="user", content=_fill(template.user, turn.question)))
        messages.append(Message(role="assistant", content=turn.answer))
    messages.append(Message(role="user", content=_fill(template.user, question)))
    return messages


def _fill(text: str, question: str) -> str:
    """Put the question in, in one pass: braces, percent signs and backslashes of either stay as they are."""
    return text.replace(PLACEHOLDER, question)
