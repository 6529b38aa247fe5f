"""Training data: parquet rendered from the prompt registry into the training run's folder.

`write_dataset` splits the rows of every task, keeps a seeded slice out for validation or takes the sets
that were named, renders and encodes every prompt, and writes two files in verl's columns with the prompt
lock in their schema metadata. All that can be wrong with data is found here, before Ray starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.locks.notes import reading_warnings
from evalkit.locks.overlap import row_text, with_questions
from evalkit.locks.parquet import check_parquet
from evalkit.locks.parts import join_locks, marked_lock
from evalkit.models.computation import computation_of
from prompts.errors import UserError
from prompts.lock import Lock, make_lock, write_lock
from prompts.lock_reading import thinking_entry
from prompts.render import render
from prompts.tokens import encode_all, load_tokenizer, resolve_stop_ids
from trainkit.data.guards import ON_TEST, disputed, guard, repeat
from trainkit.data.inputs import Inputs, Part
from trainkit.data.parquet import TRAIN_FILE, VALIDATION_FILE, Prompt, write_parquet
from trainkit.data.rows import PartRows, check_golds, check_left, draw, split_inputs
from trainkit.data.select import Selected
from trainkit.runs.job import JobPart

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What `write_dataset` made. `lock` is that of the training rows."""

    train: Path
    validation: Path
    lock: Lock
    parts: tuple[Part, ...]
    """Every task that is trained on, and every set that validates, each source once."""
    in_job: tuple[JobPart, ...] = ()
    """What the job says of each part."""
    counts: dict[str, int] = field(default_factory=dict)
    """rows (of the split or parquet), repeated (left out), train, validation, too_long_train and
    too_long_validation (left out), longest_prompt and mean_prompt (tokens); with --select easier, harder
    (left out) and unseen (kept)."""
    marks: tuple[str, ...] = ()
    """"overlap" and "validate on test", for the manifest and every number that follows."""
    selected: Selected | None = None
    """What `--select` chose."""
    warning: str | None = None
    """A sentence where the model's stop ids do not end a reply as its chat template does."""


def write_dataset(inputs: Inputs, folder: Path) -> Dataset:
    """Write train.parquet, validation.parquet and prompt.lock.json into `folder` (made if missing).

    Raises UserError for bad input (too few rows, golds that cannot be scored, nothing left under the
    length limit, rows that train and validate), Mismatch where train and test share questions, or a
    parquet that was handed in is not what the registry renders.
    """
    options, model = inputs.options, inputs.model
    maker = Maker(inputs, load_tokenizer(model.folder, options.trust_remote_code))
    _check_locked_parquets(inputs, maker.tokenizer)
    split = split_inputs(inputs, maker.tokenizer)
    for used in split.by_source():
        check_golds(used)
    marks = guard(inputs, split)
    train, too_long_train = maker.encode(split.train)
    validation, too_long_validation = maker.encode(split.validation)
    for use, of_parts, found, long in (
        ("training", split.train, train, too_long_train),
        ("validation", split.validation, validation, too_long_validation),
    ):
        left = {rows.part.source: len(prompts) for rows, prompts in zip(of_parts, found, strict=True)}
        check_left(inputs, use, left, long)
    flat_train, flat_validation = maker.weighted(train), [p for part in validation for p in part]
    counts = {
        "rows": split.rows,
        "repeated": split.repeated,
        "train": len(flat_train),
        "validation": len(flat_validation),
        "too_long_train": too_long_train,
        "too_long_validation": too_long_validation,
        "longest_prompt": max(len(prompt.ids) for prompt in (*flat_train, *flat_validation)),
        "mean_prompt": round(sum(len(prompt.ids) for prompt in flat_train) / len(flat_train)),
    }
    if split.selected:
        counts |= {name: getattr(split.selected, name) for name in ("easier", "harder", "unseen")}
    in_lock = [mark for mark in marks if mark == ON_TEST]
    weights = [part.weight for part in inputs.train]
    lock = marked_lock(maker.lock(split.train, flat_train, weights), in_lock)
    parts = {used.part.source: used.part for used in (*split.validation, *split.train)}
    dataset = Dataset(
        train=folder / TRAIN_FILE,
        validation=folder / VALIDATION_FILE,
        lock=lock,
        parts=tuple(parts.values()),
        in_job=tuple(maker.in_job(part) for part in parts.values()),
        counts=counts,
        marks=marks,
        selected=split.selected,
        warning="; ".join(filter(None, (maker.warning(lock.reading["stop_ids"]), disputed(split)))) or None,
    )
    maker.write(dataset, flat_train, flat_validation, maker.lock(split.validation, flat_validation))
    return dataset


def _check_locked_parquets(inputs: Inputs, tokenizer: PreTrainedTokenizerFast) -> None:
    """A parquet that was rendered here and is trained on as it is must still be what its lock says."""
    for part in (*inputs.train, *inputs.validation):
        path = Path(part.asked).expanduser()
        if path.suffix == ".parquet" and part.task.named:
            check_parquet(path, template=part.template, tokenizer=tokenizer, folder=inputs.model.folder)


@dataclass(frozen=True)
class Maker:
    """Rows to prompts, locks and files, all under one tokenizer, each task under its template."""

    inputs: Inputs
    tokenizer: PreTrainedTokenizerFast

    def encode(self, used: Sequence[PartRows]) -> tuple[list[list[Prompt]], int]:
        """The prompts of each task that fit, and how many of all did not."""
        fitting, too_long = [], 0
        for rows in used:
            template, source = rows.part.template, rows.part.source
            rendered = (render(template, row) for row in rows.rows)
            ids = list(encode_all(self.tokenizer, rendered, template.chat_template_kwargs))
            every = [Prompt(row, found, source, template) for row, found in zip(rows.rows, ids, strict=True)]
            fitting.append([p for p in every if len(p.ids) <= self.inputs.max_prompt_tokens])
            too_long += len(every) - len(fitting[-1])
        return fitting, too_long

    def weighted(self, parts: Sequence[Sequence[Prompt]]) -> list[Prompt]:
        """All training prompts, those of each task as often as its weight says; UserError where never."""
        seed = self.inputs.options.seed
        prompts = []
        for part, found in zip(self.inputs.train, parts, strict=True):
            order = sorted(range(len(found)), key=lambda at: draw(seed, found[at].row.id))
            kept = repeat(range(len(found)), part.weight, order)
            if not kept:
                raise UserError(
                    f"--task {part.asked}*{part.weight:g} keeps none of its {len(found):,} training rows; "
                    f"the weight must be at least {1 / len(found):.2g}, or leave the task out"
                )
            prompts += [found[at] for at in kept]
        return prompts

    def lock(
        self, used: Sequence[PartRows], prompts: Sequence[Prompt], weights: Sequence[float] = ()
    ) -> Lock:
        stop_ids = resolve_stop_ids(self.tokenizer, self.inputs.model.folder)
        locks = [
            make_lock(
                template=rows.part.template,
                tokenizer=self.tokenizer,
                stop_ids=stop_ids,
                task=rows.part.source,
                split=rows.part.task.split,
                prompts=[(p.row.id, p.ids) for p in prompts if p.source == rows.part.source],
                sampling=self.inputs.sampling,
                scorer=rows.part.scorer,
                computation=computation_of(self.inputs.model.folder),
                thinking_tokens=self.inputs.options.thinking_tokens,
            )
            for rows in used
        ]
        return with_questions(join_locks(locks, weights), (row_text(p.row, p.template) for p in prompts))

    def in_job(self, part: Part) -> JobPart:
        """What the job says of a part; its thinking is read as its lock says."""
        budget = self.inputs.options.thinking_tokens
        return part.in_job(thinking_entry(part.template, self.tokenizer, budget).get("thinking"))

    def warning(self, stop_ids: Sequence[int]) -> str | None:
        """What will probably go wrong with prompts or replies, as a sentence; None where all is well."""
        folder = self.inputs.model.folder
        every = (
            warning
            for part in self.inputs.train
            for warning in reading_warnings(part.template, self.tokenizer, folder, stop_ids)
        )
        return "; ".join(dict.fromkeys(every)) or None

    def write(
        self, dataset: Dataset, train: Sequence[Prompt], validation: Sequence[Prompt], validation_lock: Lock
    ) -> None:
        """Write both files and the lock, or nothing; then compare the files with the registry once more."""
        try:
            dataset.train.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{dataset.train.parent} cannot be made: {error.strerror}") from None
        files = {dataset.train: train, dataset.validation: validation}
        try:
            with_fields = self.inputs.options.reward_file is not None
            write_parquet(dataset.train, train, dataset.lock, "train", with_fields)
            write_parquet(dataset.validation, validation, validation_lock, "validation", with_fields)
            for path, prompts in files.items():
                check_parquet(
                    path,
                    template=prompts[0].template,
                    tokenizer=self.tokenizer,
                    folder=self.inputs.model.folder,
                    templates={prompt.source: prompt.template for prompt in prompts},
                )
            write_lock(dataset.lock, dataset.train.parent)
        except BaseException:
            for path in files:
                path.unlink(missing_ok=True)
            raise
