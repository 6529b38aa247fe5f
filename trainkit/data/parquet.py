"""Parquet in verl's columns, with the prompt lock in its schema metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from evalkit.grade.grader import plain_fields
from evalkit.grade.user_function import is_function
from evalkit.locks.parquet import prompt_messages
from evalkit.records import Row
from prompts.errors import Failed
from prompts.files import whole_file
from prompts.lock import PARQUET_KEY, Lock
from prompts.render import field_texts
from prompts.template import Template

TRAIN_FILE, VALIDATION_FILE = "train.parquet", "validation.parquet"
"""In a training run's folder."""


@dataclass(frozen=True)
class Prompt:
    """A row, the task and template that it is asked under, and the token ids of its prompt."""

    row: Row
    ids: tuple[int, ...]
    source: str
    template: Template


def write_parquet(
    path: Path,
    prompts: Sequence[Prompt],
    lock: Lock,
    use: Literal["train", "validation"],
    with_fields: bool = False,
) -> None:
    """Write the file whole or not at all, and count its rows again; `with_fields` for a reward's function.

    Raises UserError where it cannot be written, Failed where it does not hold every row.
    """
    import pyarrow
    import pyarrow.parquet

    rows = [_columns(index, prompt, use, with_fields) for index, prompt in enumerate(prompts)]
    metadata = {PARQUET_KEY: orjson.dumps(lock.as_dict())}
    table = pyarrow.Table.from_pylist(rows).replace_schema_metadata(metadata)
    with whole_file(path) as temporary:
        pyarrow.parquet.write_table(table, temporary)
        written = pyarrow.parquet.read_metadata(temporary).num_rows
        if written != len(prompts):
            raise Failed(f"{path} holds {written:,} rows, {len(prompts):,} were rendered")


def _columns(index: int, prompt: Prompt, use: str, with_fields: bool) -> dict[str, Any]:
    row, template = prompt.row, prompt.template
    extra: dict[str, Any] = {"split": use, "index": index, "id": row.id, "question": row.question}
    if with_fields or is_function(template.rule):
        extra["fields"] = orjson.dumps(plain_fields(row.fields)).decode()
    if row.messages is not None:
        messages: Any = [dict(message) for message in row.messages]
    else:
        fields = field_texts(template, row.fields, f"row {row.id}")
        messages = prompt_messages(template, row.question, fields)
        extra |= {"prompt_fields": fields} if fields else {}
    return {
        "data_source": prompt.source,
        "prompt": messages,
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": row.gold},
        "extra_info": extra,
    }
