"""Checkpoints and parquets with a prompt lock, for tests to tamper with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet

from evalkit.grade.lock_entry import scorer_entry
from evalkit.locks.parquet import prompt_messages
from evalkit.models.computation import computation_of
from evalkit.tasks.load import load_rows
from prompts.lock import PARQUET_KEY, Lock, make_lock, read_lock, write_lock
from prompts.registry import find_template, load_templates
from prompts.render import render
from prompts.tokens import encode, load_tokenizer, resolve_stop_ids

ROWS = 40


def lock_of(folder: Path, name: str, task: str = "sums", extra: Sequence[Path] = ()) -> Lock:
    """The lock of training on the first rows of a task's train split."""
    template, tokenizer = find_template(name, load_templates(extra)), load_tokenizer(folder)
    rows = load_rows(task, "train").rows[:ROWS]
    return make_lock(
        template=template,
        tokenizer=tokenizer,
        stop_ids=resolve_stop_ids(tokenizer, folder),
        task=task,
        split="train",
        prompts=[
            (row.id, encode(tokenizer, render(template, row), template.chat_template_kwargs)) for row in rows
        ],
        sampling={"temperature": 1.0, "top_p": 1.0, "max_tokens": 16, "samples": 8, "seed": 0},
        scorer=scorer_entry(template.rule),
        computation=computation_of(folder),
    )


def locked(folder: Path, name: str, extra: Sequence[Path] = ()) -> Path:
    """Give a model folder the lock of training under a template."""
    write_lock(lock_of(folder, name, extra=extra), folder)
    return folder


def parquet(folder: Path, path: Path, task: str = "sums", name: str = "sums@1") -> Path:
    """The rows of a task in verl's columns, with the lock of a model folder in the metadata."""
    template = find_template(name, load_templates())
    rows = [
        {
            "data_source": task,
            "prompt": prompt_messages(template, row.question),
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": row.gold},
            "extra_info": {"split": "train", "index": index, "id": row.id, "question": row.question},
        }
        for index, row in enumerate(load_rows(task, "train").rows[:ROWS])
    ]
    write(rows, path, lock_of(folder, name, task))
    return path


def write(rows: list[dict[str, Any]], path: Path, lock: Lock | None, **options: Any) -> None:
    table = pyarrow.Table.from_pylist(rows)
    if lock is not None:
        table = table.replace_schema_metadata({PARQUET_KEY: orjson.dumps(lock.as_dict())})
    pyarrow.parquet.write_table(table, path, **options)


def edit_rows(path: Path, edit: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Change the rows of a parquet, and keep its lock."""
    rows = pyarrow.parquet.read_table(path).to_pylist()
    edit(rows)
    write(rows, path, read_lock(path))


def edit_json(path: Path, edit: Callable[[dict[str, Any]], Any], **options: Any) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content, **options))
