"""Rows to prompts: the one place where a template's text meets a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict

from prompts.errors import UserError
from prompts.template import PLACEHOLDER, Template, Turn, fill_fields

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

    A row that brings messages (a parquet made for verl, a conversation) is rendered as those messages.
    Raises UserError where a placeholder of the template is a field that the row does not have.
    """
    if row.messages is not None:
        return from_messages(row.messages, raw=False)
    return render_question(template, row.question, field_texts(template, row.fields))


def from_messages(messages: Sequence[Mapping[str, str]], raw: bool) -> Rendered:
    """What was rendered, from the messages that a parquet stores; a raw text is stored as one message.

    Training, the token check and the comparison of its ends all go through here.
    """
    if raw:
        return messages[0]["content"]
    return [Message(role=message["role"], content=message["content"]) for message in messages]


def field_texts(template: Template, fields: Mapping[str, Any], where: str = "a row") -> dict[str, str]:
    """The texts that fill a template's placeholders; UserError names one that no field fills.

    `where` says in the message which row it is. A field fills a placeholder where it is a text that is not
    empty, or a number.
    """
    if template.fields and template.turns:
        raise UserError(
            f"{template.ref} has worked examples, whose questions cannot fill {{{template.fields[0]}}}; "
            "write the examples into `user`, or leave that placeholder out"
        )
    texts = {}
    for name in template.fields:
        value = fields.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
            has = f"it is {value!r}" if name in fields else f"there are: {', '.join(fields) or 'none'}"
            raise UserError(
                f"{where} has no text in the field {name!r}, which {{{name}}} of {template.ref} asks for "
                f"({has}); add the field, or write {{{{{name}}}}} in the template where it is meant as text"
            )
        texts[name] = str(value)
    return texts


def render_question(template: Template, question: str, fields: Mapping[str, str] | None = None) -> Rendered:
    """The prompt of a bare question; without `fields` the template's other placeholders stand as they are."""

    def fill(text: str) -> str:
        # In one pass over the template: braces in the question or in a field are never read.
        return question.join(fill_fields(part, fields or {}) for part in text.split(PLACEHOLDER))

    system = None if template.system is None else fill_fields(template.system, fields or {})
    if template.kind == "raw":
        parts = [system] if system is not None else []
        parts += [_example(template, turn) + turn.answer for turn in template.turns]
        return RAW_SEPARATOR.join([*parts, fill(template.user)])
    messages = []
    if system is not None:
        messages.append(Message(role="system", content=system))
    for turn in template.turns:
        messages.append(Message(role="user", content=_example(template, turn)))
        messages.append(Message(role="assistant", content=turn.answer))
    messages.append(Message(role="user", content=fill(template.user)))
    return messages


def _example(template: Template, turn: Turn) -> str:
    return template.user.replace(PLACEHOLDER, turn.question)
