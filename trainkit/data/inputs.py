"""What a training run is made of, found once from its options: tasks, rows, prompt templates, lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from evalkit.grade.lock_entry import grader_of, scorer_like, template_entry
from evalkit.locks.check import verified_template
from evalkit.locks.parts import lock_parts
from evalkit.models.resolve import Model, ModelFiles
from evalkit.records import Sampling
from evalkit.settings import settings
from evalkit.tasks.load import load_rows
from evalkit.tasks.load import task_names as known_tasks
from evalkit.tasks.mixture import parse_weight
from evalkit.tasks.rows import rows_under
from evalkit.tasks.sources import is_file
from evalkit.tasks.task import Task
from prompts.errors import UserError
from prompts.lock import Lock, read_lock
from prompts.template import Template
from trainkit.data.locked_prompt import default_template, locks_of
from trainkit.data.parquet import VALIDATION_FILE
from trainkit.options import Options
from trainkit.runs.job import FILE_NAME as JOB_FILE
from trainkit.runs.job import JobPart

PROMPT_LENGTH = 1024
"""Tokens of a prompt at most, where --prompt-length does not say."""
KEPT_OUT, TEST = "train", "test"
"""What --validate knows beside files and tasks."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One task of a run, to train on or to validate on.

    `source` names it in verl's metrics and in the lock, `asked` is what the user typed. `scorer` is the entry
    of its lock. `weight` multiplies its rows in training.
    """

    source: str
    asked: str
    task: Task
    template: Template
    scorer: Mapping[str, Any]
    weight: float = 1.0

    @property
    def from_test(self) -> bool:
        """Whether these are the rows by which models are compared in the end."""
        return not is_file(self.asked) and self.task.split == TEST

    def in_job(self, thinking: dict[str, Any] | None = None) -> JobPart:
        """What the rollouts of this task are made and read with; `thinking` is that of its lock."""
        grader = grader_of(self.template, self.scorer)
        return JobPart(
            source=self.source,
            task=self.asked,
            split=self.task.split,
            template=self.template.ref,
            raw_prompts=self.template.kind == "raw",
            chat_template_kwargs=dict(self.template.chat_template_kwargs),
            rule=self.scorer["rule"],
            grader=grader.located() if grader else None,
            thinking=thinking,
        )


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All of it checked. `train` are the tasks to train on, `validation` the sets that --validate names;
    with `keep_out` a seeded slice of the training rows validates too (the first of the sets).
    """

    options: Options
    model: Model | ModelFiles
    train: tuple[Part, ...]
    validation: tuple[Part, ...]
    keep_out: bool
    response_length: int

    @property
    def max_prompt_tokens(self) -> int:
        return self.options.prompt_length or PROMPT_LENGTH

    @property
    def data(self) -> Path | None:
        return data_folder(self.options)

    @property
    def parquet(self) -> Path | None:
        """Training data rendered elsewhere: rendered again, compared row by row, and then used."""
        return Path(self.options.parquet).expanduser() if self.options.parquet else None

    @property
    def sampling(self) -> Mapping[str, Any]:
        """Sampling of the rollouts, for the lock's budget."""
        options = self.options
        return asdict(
            Sampling(
                temperature=options.temperature,
                max_tokens=self.response_length,
                samples=options.samples,
                seed=options.seed,
            )
        )


def find_inputs(options: Options, model: Model | ModelFiles, run: Path | None = None) -> Inputs:
    """Find the inputs; `run` is the folder of a training run that may have been begun.

    Raises UserError for what does not exist, Mismatch where a released template was edited: the locks
    of run, parquet and model show what was.
    """
    locks = tuple(locks_of(options, model, run))
    train = tuple(_training_part(options, model, run, locks, asked) for asked in options.task)
    train = tuple(map(_named, train, _sources([part.task.name for part in train], "--task")))
    if options.parquet and len(train) > 1:
        raise UserError(
            f"--parquet is of one task, and {len(train)} are named; give it as --task FILE instead"
        )
    keep_out = KEPT_OUT in options.validate
    sets = [asked for asked in options.validate if asked != KEPT_OUT]
    validation = tuple(
        part for asked in sets for part in _validation_parts(options, model, run, locks, train, asked)
    )
    taken = [part.source for part in train] if keep_out else []
    names = [part.task.name for part in validation]
    labels = [
        f"{name} {part.task.split}" if name in taken or names.count(name) > 1 else name
        for name, part in zip(names, validation, strict=True)
    ]
    labels = _sources([*taken, *labels], "--validate")[len(taken) :]
    return Inputs(
        options=options,
        model=model,
        train=train,
        validation=tuple(map(_named, validation, labels)),
        keep_out=keep_out,
        response_length=options.response_length or max(part.task.max_tokens for part in train),
    )


def task_names(options: Options) -> list[str]:
    """The tasks of --task without their weights."""
    return [parse_weight(asked)[0] for asked in options.task]


def data_folder(options: Options) -> Path | None:
    return Path(options.data).expanduser() if options.data else settings().data


def template_folders(options: Options) -> tuple[Path, ...]:
    return (*settings().prompts, *(Path(folder).expanduser() for folder in options.prompts))


def _training_part(
    options: Options, model: Model | ModelFiles, run: Path | None, locks: Sequence[Lock], asked: str
) -> Part:
    name, weight = parse_weight(asked)
    task = _load(options, name, None if is_file(name) else "train")
    return _part(options, model, run, name, task, options.prompt or default_template(locks, task), weight)


def _validation_parts(
    options: Options,
    model: Model | ModelFiles,
    run: Path | None,
    locks: Sequence[Lock],
    train: tuple[Part, ...],
    asked: str,
) -> list[Part]:
    """The set that a word of --validate names; `test` is one for every task that has a test split."""
    if asked == TEST:
        found = [part for part in train if not is_file(part.asked)]
        if not found:
            raise UserError(
                f"--validate test: {', '.join(part.asked for part in train)} has no test split; "
                "name a file of rows to validate on: --validate dev.jsonl"
            )
        return [
            replace(part, task=rows_under(_load(options, part.asked, TEST), part.template), weight=1.0)
            for part in found
        ]
    try:
        task = _load(options, asked, None)
    except UserError as error:
        if is_file(asked) or asked.partition(":")[0] in {name.partition(":")[0] for name in known_tasks()}:
            raise
        raise UserError(f"--validate knows train and test; {error}") from None
    trained = next((part for part in train if part.task.name == task.name), train[0])
    brings = any(row.messages is not None for row in task.rows)
    is_other = task.named and trained.task.name != task.name
    ref = default_template(locks, task) if is_other else trained.template.ref
    if brings and not options.prompt:
        ref = task.template
    return [_part(options, model, run, asked, task, options.prompt or ref, 1.0)]


def _load(options: Options, name: str, split: str | None) -> Task:
    fields: dict[str, Any] = {}
    if is_file(name):
        fields = {"question_field": options.question_field, "answer_field": options.answer_field}
    elif (options.question_field or options.answer_field) and not any(
        is_file(parse_weight(task)[0]) for task in (*options.task, *options.validate)
    ):
        raise UserError(f"--question-field and --answer-field are for files; {name} names its own fields")
    return load_rows(name, split, data=data_folder(options), **fields)


def _part(
    options: Options,
    model: Model | ModelFiles,
    run: Path | None,
    asked: str,
    task: Task,
    ref: str,
    weight: float,
) -> Part:
    parquets = [name for name in (options.parquet, asked) if name and Path(name).suffix == ".parquet"]
    places = [run, *(Path(name).expanduser() for name in parquets), model.folder]
    template = verified_template(
        ref,
        template_folders(options),
        [place for place in places if place],
        model.folder,
        options.trust_remote_code,
    )
    return Part(
        source=task.name,
        asked=asked,
        task=rows_under(task, template),
        template=template,
        scorer=_scorer(run, template),
        weight=weight,
    )


def _scorer(run: Path | None, template: Template) -> Mapping[str, Any]:
    """The scorer that grades under a template: the one with which the run began, else the newest."""
    begun = [run, run / VALIDATION_FILE] if run and (run / JOB_FILE).exists() else []
    for place in begun:
        lock = read_lock(place) if place.exists() else None
        for part in lock_parts(lock) if lock else ():
            if part.reading["template"] and part.reading["template"]["ref"] == template.ref:
                return scorer_like(part.reading["scorer"], template)
    return template_entry(template)


def _named(part: Part, source: str) -> Part:
    return replace(part, source=source)


def _sources(names: list[str], flag: str) -> list[str]:
    """The names, which must differ: metrics, locks and results are told apart by them."""
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        weighted = f"give it a weight (--task {twice[0]}*2), " if flag == "--task" else ""
        raise UserError(
            f"{flag} names {twice[0]} twice, and results are told apart by that name; name it once, "
            f"{weighted}or rename one of the files"
        )
    return names
