"""What a training run is made of, found from its options: model, rows, prompt template, response length."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from evalkit.locks.check import verified_template
from evalkit.models.resolve import Model, resolve_model
from evalkit.records import Sampling
from evalkit.settings import settings
from evalkit.tasks.task import Task
from prompts.template import Template
from trainkit.data.rows import DataOptions, load_training_rows
from trainkit.options import Options

PROMPT_LENGTH = 1024
"""Tokens of a prompt at most, where --prompt-length does not say."""


@dataclass(frozen=True)
class Inputs:
    """All of it checked. `task` holds the rows that are trained on, and those kept out for validation."""

    model: Model
    task: Task
    template: Template
    response_length: int


def find_inputs(options: Options, run: Path | None = None) -> Inputs:
    """Find the inputs; `run` is the folder of a training run that may have been begun.

    Raises UserError for what does not exist, Mismatch where a released template was edited: the locks
    of run, parquet and model show what was.
    """
    model = resolve_model(options.model, trust_remote_code=options.trust_remote_code)
    task = load_training_rows(options.task, _data_folder(options))
    places = (run, options.parquet and Path(options.parquet), model.folder)
    template = verified_template(
        options.prompt or task.template,
        _template_folders(options),
        [place for place in places if place],
        model.folder,
        options.trust_remote_code,
    )
    return Inputs(model, task, template, options.response_length or task.max_tokens)


def relocked(inputs: Inputs) -> str | None:
    """A sentence where a model that is locked to one prompt is trained under another; else None."""
    lock, template = inputs.model.lock, inputs.template
    if lock is None or lock.reading["template"]["sha256"] == template.text_sha256:
        return None
    kwargs = (lock.reading["chat_template"] or {}).get("kwargs") or {}
    with_them = f", chat_template_kwargs {kwargs}" if kwargs else ""
    return (
        f"{inputs.model.name} was locked to {lock.template} (fingerprint {lock.fingerprint}{with_them}) "
        f"and is trained under {template.ref} from here on; to keep its prompt: --prompt {lock.template}"
    )


def data_options(options: Options, inputs: Inputs) -> DataOptions:
    """What decides the data of a run."""
    sampling = Sampling(
        temperature=options.temperature,
        max_tokens=inputs.response_length,
        samples=options.samples,
        seed=options.seed,
    )
    return DataOptions(
        model=inputs.model.folder,
        task=options.task,
        template=inputs.template.ref,
        max_prompt_tokens=options.prompt_length or PROMPT_LENGTH,
        sampling=asdict(sampling),
        seed=options.seed,
        limit=options.limit,
        validate=options.validate,  # type: ignore[arg-type]
        parquet=Path(options.parquet) if options.parquet else None,
        allow_overlap=options.allow_overlap,
        data=_data_folder(options),
        templates=_template_folders(options),
        trust_remote_code=options.trust_remote_code,
    )


def _data_folder(options: Options) -> Path | None:
    return Path(options.data).expanduser() if options.data else settings().data


def _template_folders(options: Options) -> tuple[Path, ...]:
    return (*settings().prompts, *(Path(folder).expanduser() for folder in options.prompts))
