"""Training data: parquet rendered from the prompt registry into the training run's folder.

`write_dataset` loads the task's rows, keeps a seeded slice out for validation, renders and encodes
every prompt, and writes two files in verl's columns with the prompt lock in their schema metadata.
All that can be wrong with data is found here, before Ray starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.grade.lock_entry import grader_of, template_entry
from evalkit.locks.check import stop_warning
from evalkit.locks.parquet import check_parquet
from evalkit.models.computation import computation_of
from evalkit.records import Row
from evalkit.tasks.task import Task
from prompts.errors import UserError
from prompts.lock import Lock, make_lock, write_lock
from prompts.registry import get_template
from prompts.render import render
from prompts.template import Template
from prompts.tokens import encode, load_tokenizer, resolve_stop_ids
from trainkit.data.parquet import Prompt, write_parquet
from trainkit.data.rows import (
    DataOptions,
    check_golds,
    check_left,
    chosen_rows,
    guard,
    is_repeated,
    load_training_rows,
    split_rows,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TRAIN_FILE, VALIDATION_FILE = "train.parquet", "validation.parquet"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What `write_dataset` made. `lock` is that of the training rows."""

    train: Path
    validation: Path
    lock: Lock
    counts: dict[str, int] = field(default_factory=dict)
    """rows (of the split or parquet), repeated (left out), train, validation, too_long_train and
    too_long_validation (left out), longest_prompt and mean_prompt (tokens)."""
    marks: tuple[str, ...] = ()
    """"overlap" and "validate on test", for the manifest and every number that follows."""
    grader: dict[str, str] | None = None
    """Where the grader of a `python:` rule lies, and its hash (`UserFunction.located`)."""
    warning: str | None = None
    """A sentence where the model's stop ids do not end a reply as its chat template does."""


def write_dataset(options: DataOptions, folder: Path, template: Template | None = None) -> Dataset:
    """Write train.parquet, validation.parquet and prompt.lock.json into `folder` (made if missing).

    `template` is one that was found already, perhaps carried by a lock; else the options' is looked up.

    Raises UserError for bad input (too few rows, golds that cannot be scored, nothing left under the
    length limit), Mismatch where train and test share questions, or a parquet that was handed in is
    not what the registry renders.
    """
    source = load_training_rows(options.task, options.data)
    template = template or get_template(options.template or source.template, options.templates)
    maker = Maker(options, source, template, load_tokenizer(options.model, options.trust_remote_code))
    rows = chosen_rows(options, source, template, maker.tokenizer)
    unique = [row for row in rows if not is_repeated(row)]
    split = split_rows(options, source, unique)
    check_golds(source, template, (*split.train, *split.validation))
    marks = guard(options, source, split)
    train, too_long_train = maker.encode(split.train)
    validation, too_long_validation = maker.encode(split.validation)
    check_left(options, source, len(train), len(validation), too_long_train + too_long_validation)
    counts = {
        "rows": len(rows),
        "repeated": len(rows) - len(unique),
        "train": len(train),
        "validation": len(validation),
        "too_long_train": too_long_train,
        "too_long_validation": too_long_validation,
        "longest_prompt": max(len(prompt.ids) for prompt in (*train, *validation)),
        "mean_prompt": round(sum(len(prompt.ids) for prompt in train) / len(train)),
    }
    lock = maker.lock(train, source.split)
    grader = grader_of(template, lock.reading["scorer"])
    dataset = Dataset(
        train=folder / TRAIN_FILE,
        validation=folder / VALIDATION_FILE,
        lock=lock,
        counts=counts,
        marks=marks,
        grader=grader.located() if grader else None,
        warning=maker.warning(lock.reading["stop_ids"]),
    )
    maker.write(dataset, train, validation, maker.lock(validation, split.validation_split))
    return dataset


@dataclass(frozen=True)
class Maker:
    """Rows to prompts, locks and files, all under one template and tokenizer."""

    options: DataOptions
    source: Task
    template: Template
    tokenizer: PreTrainedTokenizerFast

    def encode(self, rows: Sequence[Row]) -> tuple[list[Prompt], int]:
        """The prompts that fit, and how many did not."""
        kwargs = self.template.chat_template_kwargs
        prompts = []
        for row in rows:
            ids = encode(self.tokenizer, render(self.template, row), kwargs)
            prompts.append(Prompt(row, tuple(ids)))
        fitting = [prompt for prompt in prompts if len(prompt.ids) <= self.options.max_prompt_tokens]
        return fitting, len(prompts) - len(fitting)

    def lock(self, prompts: Sequence[Prompt], split: str) -> Lock:
        return make_lock(
            template=self.template,
            tokenizer=self.tokenizer,
            stop_ids=resolve_stop_ids(self.tokenizer, self.options.model),
            task=self.source.name,
            split=split,
            prompts=[(prompt.row.id, prompt.ids) for prompt in prompts],
            sampling=self.options.sampling,
            scorer=template_entry(self.template),
            computation=computation_of(self.options.model),
        )

    def warning(self, stop_ids: Sequence[int]) -> str | None:
        """A sentence where replies could not end; a raw prompt has no chat template to end them."""
        return stop_warning(self.tokenizer, stop_ids) if self.template.kind == "chat" else None

    def write(
        self, dataset: Dataset, train: Sequence[Prompt], validation: Sequence[Prompt], validation_lock: Lock
    ) -> None:
        """Write both files and the lock, or nothing; then compare the files with the registry once more."""
        try:
            dataset.train.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{dataset.train.parent} cannot be made: {error.strerror}") from None
        files, model = (dataset.train, dataset.validation), self.options.model
        try:
            write_parquet(dataset.train, train, self.template, dataset.lock, "train")
            write_parquet(dataset.validation, validation, self.template, validation_lock, "validation")
            for path in files:
                check_parquet(path, template=self.template, tokenizer=self.tokenizer, folder=model)
            write_lock(dataset.lock, dataset.train.parent)
        except BaseException:
            for path in files:
                path.unlink(missing_ok=True)
            raise
