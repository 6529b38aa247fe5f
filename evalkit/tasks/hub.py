"""Tasks with a home on the Hugging Face hub: read from a local folder where it has them, else from there.

A local folder holds `<task>/<split>.jsonl` with the fields of the hub's rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.tasks.rows import Item, final_answer, make_rows
from evalkit.tasks.sources import read_dicts
from evalkit.tasks.task import Task, check_split
from prompts.errors import Failed, UserError


@dataclass(frozen=True, kw_only=True)
class HubTask:
    """Where a task's rows lie and what their fields are called. `splits` maps our names to the hub's."""

    repo: str
    config: str | None = None
    splits: Mapping[str, str] = field(default_factory=lambda: {"test": "test"})
    question: str
    answer: str
    template: str
    max_tokens: int


TASKS: Mapping[str, HubTask] = {
    "gsm8k": HubTask(
        repo="openai/gsm8k",
        config="main",
        splits={"test": "test", "train": "train"},
        question="question",
        answer="answer",
        template="gsm8k-boxed@1",
        max_tokens=512,
    ),
    "math-500": HubTask(
        repo="HuggingFaceH4/MATH-500",
        question="problem",
        answer="answer",
        template="math-boxed@1",
        max_tokens=2048,
    ),
    "aime": HubTask(
        repo="HuggingFaceH4/aime_2024",
        splits={"test": "train"},
        question="problem",
        answer="answer",
        template="math-boxed@1",
        max_tokens=8192,
    ),
}


def load(task: str, split: str, data: Path | None) -> Task:
    """One split of a named task, from `data` or from the hub."""
    spec = TASKS[task]
    check_split(task, split, tuple(spec.splits))
    rows = _from_folder(task, split, data) if data else _from_hub(task, spec, split)
    items = [_item(task, spec, row) for row in rows]
    return Task(
        name=task,
        split=split,
        rows=make_rows(items),
        template=spec.template,
        max_tokens=spec.max_tokens,
        gold_field=spec.answer,
    )


def _item(task: str, spec: HubTask, row: Mapping[str, Any]) -> Item:
    if spec.question not in row or spec.answer not in row:
        raise UserError(
            f"task {task}: rows need the fields {spec.question} and {spec.answer}, found {', '.join(row)}; "
            "score a file of another form with --task FILE --question-field … --answer-field …"
        )
    return Item(question=str(row[spec.question]), gold=final_answer(row[spec.answer]), fields=dict(row))


def _from_folder(task: str, split: str, data: Path) -> Iterable[Mapping[str, Any]]:
    for folder in (data / task, data):
        if (folder / f"{split}.jsonl").exists():
            return read_dicts(folder / f"{split}.jsonl")
    raise UserError(
        f"no {task}/{split}.jsonl in {data}; --data and EVALKIT_DATA name a folder that holds it "
        "(unset them to take it from the hub)"
    )


def _from_hub(task: str, spec: HubTask, split: str) -> Iterable[Mapping[str, Any]]:
    try:
        import datasets
    except ImportError:
        raise UserError(
            f"task {task}: give a folder that holds {task}/{split}.jsonl with --data or EVALKIT_DATA, "
            "or install the hub's reader: pip install datasets"
        ) from None
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it reports each retry
    datasets.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    try:
        return list(datasets.load_dataset(spec.repo, spec.config, split=spec.splits[split]))
    except Exception as error:  # the hub's client raises a dozen kinds of error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Failed(
            f"task {task} cannot be had from the hub ({reason}); give a folder that holds "
            f"{task}/{split}.jsonl with --data or EVALKIT_DATA, or a mirror with HF_ENDPOINT"
        ) from None
