"""Rows from a file: jsonl, json, csv or parquet, also the parquet that verl trains on."""

from __future__ import annotations

import csv
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from evalkit.exact_json import loads
from evalkit.tasks.conversation import CONVERSATION_FIELDS, read_conversation
from evalkit.tasks.parquet_rows import read_parquet
from evalkit.tasks.rows import (
    Item,
    as_object,
    final_answer,
    make_rows,
    media_of,
    message_text,
    without_repeats,
)
from evalkit.tasks.task import Task, check_split
from prompts.errors import UserError
from prompts.files import BOM
from prompts.lock import read_lock

TEMPLATE = "gsm8k-boxed@1"
MAX_TOKENS = 512


def is_file(task: str) -> bool:
    """Whether a task's name is meant as a file: by its ending, so that a missing file is named as one."""
    return Path(task).suffix in _READERS


def load(
    path: Path, split: str | None, question_fields: Sequence[str] = (), answer_fields: Sequence[str] = ()
) -> Task:
    """All rows of a file. A parquet with a prompt lock keeps the task, split and template of the lock.

    Of the fields named the first that the file has is taken; by default `question`, or `messages` or
    `prompt` where they hold a conversation, and `answer`. Rows with a list of messages under `prompt` and a
    gold under `reward_model.ground_truth`, as verl trains on them, keep these very messages.
    """
    lock = read_lock(path) if path.suffix == ".parquet" and path.exists() else None
    own_split = (lock and lock.data.get("split")) or "all"
    check_split(path.name, split or own_split, (own_split,))
    rows = read_dicts(path)
    first = rows[0] if rows else {}
    talks = [name for name in CONVERSATION_FIELDS if isinstance(first.get(name), list)]
    question_field = field_of(first, question_fields, ("question", *talks), "question")
    answer_field = field_of(first, answer_fields, ("answer",), "answer")
    if question_field == answer_field:
        raise UserError(
            f"{path}: question and answer are both read from the field {question_field!r}, so the model "
            "would read the answer; name another field with --answer-field"
        )
    items = [
        _verl_item(path, number, row)
        if _is_verl(row)
        else _item(path, number, row, question_field, answer_field)
        for number, row in enumerate(rows, 1)
    ]
    questions, repeats = without_repeats(make_rows(items))
    return Task(
        name=(lock and lock.data.get("task")) or path.stem,
        split=own_split,
        rows=questions,
        repeats=repeats,
        template=lock.template if lock else _template_for(items),
        max_tokens=(lock and lock.budget.get("max_tokens")) or MAX_TOKENS,
        named=bool(lock and lock.data.get("task")),
        source=path,
        gold_field=answer_field,
    )


def field_of(row: Mapping[str, Any], asked: Sequence[str], usual: Sequence[str], default: str) -> str:
    """The field to read: the first of those asked for that the row has, else the first usual one."""
    there = [name for name in (asked or usual) if name in row]
    return there[0] if there else (asked[0] if asked else default)


def _template_for(items: Sequence[Item]) -> str:
    """The template whose rule reads what the file's own messages ask for, by the marker in them."""
    if not items or not items[0].messages:
        return TEMPLATE
    text = "\n".join(message["content"] for message in items[0].messages)
    marked = {"\\boxed": "gsm8k-boxed@1", "####": "gsm8k-hash@1"}
    return next((ref for marker, ref in marked.items() if marker in text), "gsm8k-question@1")


def read_dicts(path: Path) -> list[dict[str, Any]]:
    """The objects of a file; UserError where it is missing or a line cannot be read."""
    if not path.is_file():
        raise UserError(f"no file {path}; give a jsonl, json, csv or parquet file")
    try:
        rows = list(_READERS[path.suffix](path))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise UserError(f"{path} row {number} is {type(row).__name__}, not an object with named fields")
        if column := media_of(row):
            raise UserError(
                f"{path} row {number} has {column}, which a text model cannot read; take such rows out"
            )
    return rows


def _read_jsonl(path: Path) -> Iterable[Any]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(BOM)
            if line.strip():
                try:
                    yield loads(line)
                except orjson.JSONDecodeError as error:
                    raise UserError(f"{path} line {number} is not JSON ({error}); mend that line") from None


def _read_json(path: Path) -> Iterable[Any]:
    try:
        rows = loads(path.read_bytes().removeprefix(BOM))
    except orjson.JSONDecodeError as error:
        raise UserError(f"{path} line {error.lineno} is not JSON ({error.msg}); mend it") from None
    if not isinstance(rows, list):
        raise UserError(
            f"{path} holds {type(rows).__name__}, not a list of objects; one a line? name it .jsonl"
        )
    return rows


def _read_csv(path: Path) -> Iterable[Any]:
    csv.field_size_limit(sys.maxsize)  # the module's own limit of 128 kB is shorter than some problems
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = [name for name in reader.fieldnames or () if name]
            if len(names) == 1 and (sign := next((sign for sign in ";\t|" if sign in names[0]), None)):
                raise UserError(
                    f"{path} has {sign!r} between its columns, not commas; {_with_commas(path, sign)}"
                )
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise UserError(f"{path} has two columns {twice!r}; rename one of them")
            for number, row in enumerate(reader, 1):
                if any(more := row.pop(None, ())):
                    raise UserError(
                        f"{path} row {number} has more fields than the header ({', '.join(more)[:40]!r} is "
                        "over); a field that holds a comma stands in quotes"
                    )
                yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV in UTF-8: {error}") from None


def _with_commas(path: Path, sign: str) -> str:
    """The command that writes a table with commas beside one whose columns another sign parts."""
    made = path.with_name(f"{path.stem}-commas.csv")
    read = f"pandas.read_csv({str(path)!r}, sep={sign!r}, dtype=str)"
    code = f"import pandas; {read}.to_csv({str(made)!r}, index=False)"
    return f"python -c {shlex.quote(code)} writes {made.name}"


_READERS = {".jsonl": _read_jsonl, ".json": _read_json, ".csv": _read_csv, ".parquet": read_parquet}


def _item(path: Path, number: int, row: Mapping[str, Any], question_field: str, answer_field: str) -> Item:
    question = _field(path, number, row, question_field, "--question-field")
    gold = _field(path, number, row, answer_field, "--answer-field")
    if isinstance(question, list):
        messages = read_conversation(question, f"{path} row {number}, field {question_field!r}")
        return Item(question=messages[-1]["content"], gold=final_answer(gold), fields=row, messages=messages)
    if not isinstance(question, str) or not question.strip():
        raise UserError(
            f"{path} row {number}: the question is {question!r}, not a text; see --question-field"
        )
    return Item(question=question, gold=final_answer(gold), fields=row)


def _field(path: Path, number: int, row: Mapping[str, Any], name: str, option: str) -> Any:
    if name not in row:
        hint = f"name one of {', '.join(row)} with {option}"
        if number > 1:  # the rows before it were read
            hint = "the rows before it have one; correct that row or leave it out"
        raise UserError(f"{path} row {number} has no field {name!r}; {hint}")
    return row[name]


def _is_verl(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("prompt"), list) and (
        isinstance(row.get("reward_model"), dict) or bool(as_object(row.get("reward_model")))
    )


def _verl_item(path: Path, number: int, row: Mapping[str, Any]) -> Item:
    """A row made for verl: its messages as they are, its gold, the last user message as the question."""
    try:
        messages = tuple(
            {"role": str(m["role"]), "content": message_text(m["content"])} for m in row["prompt"]
        )
        question = next(m["content"] for m in reversed(messages) if m["role"] == "user")
    except ValueError as error:
        raise UserError(f"{path} row {number}: {error}; correct that row or leave it out") from None
    except (TypeError, KeyError, StopIteration):
        raise UserError(
            f"{path} row {number}: `prompt` must be messages with role and content, one of them the user's"
        ) from None
    if messages[-1]["role"] != "user":
        raise UserError(
            f"{path} row {number}: `prompt` ends with the turn of {messages[-1]['role']}; the last turn "
            "must be the user's, which the model answers; take the answer out of the messages"
        )
    gold = as_object(row["reward_model"]).get("ground_truth")
    return Item(question=question, gold=gold, messages=messages)
