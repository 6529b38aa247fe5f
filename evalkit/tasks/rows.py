"""Raw items to rows: ids from the content, golds checked, duplicates marked; nothing is dropped."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from evalkit.gold import read_gold
from evalkit.records import Row
from evalkit.tasks.task import Task
from prompts.errors import UserError
from prompts.render import field_texts
from prompts.template import Template


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question as its source gives it. `gold` may be anything that stood in the source."""

    question: str
    gold: Any
    fields: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[dict[str, str], ...] | None = None
    prompt_fields: Mapping[str, str] = field(default_factory=dict)
    """The texts that fill a template's placeholders; part of what the row says."""


def make_rows(items: Iterable[Item]) -> tuple[Row, ...]:
    """Rows in the order of the items, one each.

    A row without a gold, or equal to an earlier row, says so in `problem`: it is kept, and scored
    `unscored`. The id of a repeated row has its count behind it.
    """
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for item in items:
        gold, problem = read_gold(item.gold)
        row_id = content_id(item.question, gold, item.messages, item.prompt_fields)
        seen[row_id] = count = seen.get(row_id, 0) + 1
        if count > 1:
            problem, row_id = f"duplicate of {row_id}", f"{row_id}-{count}"
        rows.append(
            Row(
                id=row_id,
                question=item.question,
                gold=gold,
                fields=dict(item.fields),
                messages=item.messages,
                problem=problem,
            )
        )
    return tuple(rows)


PLACES = ("index", "idx", "id", "extra_info")
"""Columns that number rows: copies of a row differ in them."""


def without_repeats(rows: tuple[Row, ...]) -> tuple[tuple[Row, ...], int]:
    """Each question once, and how often, where all stand there equally often (verl's data for avg@32).

    Else the rows as they are, once.
    """
    known: dict[str, dict[str, Any]] = {}
    for row in rows:  # a template may show other fields than the question: such rows are no repeats
        shown = {name: value for name, value in row.fields.items() if name not in PLACES}
        if known.setdefault((row.problem or row.id).removeprefix("duplicate of "), shown) != shown:
            return rows, 1
    first = [row for row in rows if not (row.problem or "").startswith("duplicate of")]
    times = Counter((row.problem or row.id).removeprefix("duplicate of ") for row in rows if row.gold)
    counts = set(times.values())
    if len(counts) != 1 or len(first) * (repeats := counts.pop()) != len(rows) or repeats == 1:
        return rows, 1
    return tuple(first), repeats


def content_id(
    question: str,
    gold: str | None,
    messages: tuple[dict[str, str], ...] | None = None,
    prompt_fields: Mapping[str, str] | None = None,
) -> str:
    """16 hex digits of the sha256 of what the row says, whatever its place and file."""
    said: list[Any] = [question, gold]
    said += [messages] if messages else []
    said += [dict(sorted(prompt_fields.items()))] if prompt_fields else []
    content = _as_json(said)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


_as_json = json.JSONEncoder(ensure_ascii=False).encode


def rows_under(task: Task, template: Template) -> Task:
    """The task's rows as a template asks for them; the task itself where that asks for the question alone.

    The ids then cover the fields that the template shows: rows that differ in them are not the same.
    Raises UserError, naming the row, where a field is missing, where one shows the gold, or where rows with
    messages of their own meet a raw template.
    """
    if template.kind == "raw" and any(row.messages is not None for row in task.rows):
        raise UserError(
            f"{task.name} brings messages of its own, and {template.ref} is a raw template, which has none; "
            "give a chat template with --prompt, whose rule reads the answers: `evalkit prompts list`"
        )
    if not template.fields or all(row.messages is not None for row in task.rows):
        return task
    if task.gold_field in template.fields:
        raise UserError(
            f"{{{task.gold_field}}} of {template.ref} is the field of {task.name} that holds the gold: the "
            "model would read the answer; take it out of the template, or name another --answer-field"
        )
    items = [
        Item(
            question=row.question,
            gold=row.gold,
            fields=row.fields,
            messages=row.messages,
            prompt_fields={}
            if row.messages
            else field_texts(template, row.fields, f"{task.name} row {number} (id {row.id})"),
        )
        for number, row in enumerate(task.rows, 1)
    ]
    return replace(task, rows=make_rows(items))


def final_answer(solution: Any) -> Any:
    """The reference answer: of a worked solution in GSM8K's form, what follows the last `####`."""
    if isinstance(solution, str) and "####" in solution:
        return solution.rpartition("####")[2].strip()
    return solution


def stored_gold(value: Any) -> str | None:
    """The gold of a row made for training: a text as it stands, any other shape as `read_gold` has it."""
    return value if isinstance(value, str) else read_gold(value)[0]


def message_text(content: Any) -> str:
    """The content of a message as text: a text, or a list of text parts in the form of OpenAI's API.

    ValueError says in a few words why it is none: another kind of part, nothing, or no content at all.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise ValueError(f"a message's content is {'null' if content is None else type(content).__name__}")
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
        if kind != "text" or not isinstance(part.get("text"), str):
            raise ValueError(f"a message has a part of type {kind!r}; only text can be sent")
    return "".join(part["text"] for part in content)


MEDIA = ("image", "images", "video", "videos", "audio", "audios")
"""Columns of what a text model cannot read (verl's `image_key`, `video_key`, `audio_key`)."""


def media_of(values: Mapping[str, Any]) -> str | None:
    """The name of a column that holds images, videos or sound; None where there is none."""
    return next((name for name in MEDIA if values.get(name) not in (None, "", [], b"")), None)


def as_object(value: Any) -> dict[str, Any]:
    """A nested column as an object: one that was written as JSON text is read; anything else is empty."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return dict(value) if isinstance(value, Mapping) else {}
