"""`trainkit grpo | dr-grpo | …` and `trainkit data`: one function, the options of trainkit/options.py."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from evalkit.run_app import topic_of
from trainkit.algorithms import ALGORITHMS
from trainkit.cli.app import app
from trainkit.cli.help import ABOUT, TOPICS
from trainkit.option_file import read_toml
from trainkit.options import PRESETS, Options, require_model_and_task, resolve

DATA_OPTIONS = (
    "model", "task", "question_field", "answer_field", "data", "parquet", "prompt", "prompts", "limit",
    "select", "samples", "temperature", "prompt_length", "response_length", "validate", "seed",
    "allow_overlap", "trust_remote_code",
)  # fmt: skip
"""What decides the training data; `trainkit data` takes these and a folder."""


def train_command(
    context: typer.Context, preset: str | None, config: Path | None, dry_run: bool, **given: Any
) -> None:
    """Train a model with one algorithm; the same command resumes a run that was stopped."""
    from evalkit.machine import find_gpus
    from trainkit.prepare import prepare
    from trainkit.train import summary, train

    word = str(context.info_name)
    chosen = {name: value for name, value in given.items() if value not in (None, [])}
    read = read_toml(config) if config else None
    options = resolve(word, chosen, preset=preset, config=read, has_gpu=bool(find_gpus()))
    require_model_and_task(options)
    if dry_run:
        prepared = prepare(options, dry=True)
        print(summary(prepared))
        print(shlex.join(prepared.job.command))
        return
    train(options)


def data_command(output: Path, **given: Any) -> None:
    """Write the training and validation parquet and the prompt lock, without training."""
    from trainkit.prepare import write_data
    from trainkit.train import say

    chosen = {name: value for name, value in given.items() if value not in (None, [])}
    options = require_model_and_task(resolve("grpo", chosen, preset=None, config=None, has_gpu=True))
    dataset = write_data(options, output)
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in dataset.counts.items())
    say(f"{output}: {counts} [{dataset.lock.fingerprint}]")


def _parameter(item: Field[Any], hint: Any) -> inspect.Parameter:
    """One command-line option from one field, without a default: presets and TOML must show through."""
    default = item.default_factory() if item.default_factory is not MISSING else item.default
    shown = "" if default in (None, [], "") or isinstance(default, bool) else f" ({default})"
    flag = f"--{item.name.replace('_', '-')}"
    kind = hint if default == [] else (hint | None)
    info = typer.Option(
        flag,
        help=item.metadata["help"] + shown,
        show_default=False,
        rich_help_panel=topic_of(item.name, TOPICS),
    )
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=[] if default == [] else None,
        annotation=Annotated[kind, info],
    )


def with_options(function: Callable[..., None], names: tuple[str, ...], extra: dict[str, Any]) -> Any:
    """The function under a signature that typer can read: `extra` first, then the named options."""
    hints = get_type_hints(Options)
    parameters = []
    for name, (annotation, default) in extra.items():
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    for item in fields(Options):
        if item.name in names:
            parameters.append(_parameter(item, hints[item.name]))

    def command(**values: Any) -> None:
        function(**values)

    command.__doc__ = function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


EMPTY = inspect.Parameter.empty
PRESET = Annotated[str | None, typer.Option("--preset", help=f"Start from: {', '.join(PRESETS)}.")]
CONFIG = Annotated[Path | None, typer.Option("--config", help="TOML file of options.")]
DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Print the plan and verl's command; start nothing.")]
OUTPUT = Annotated[Path, typer.Argument(help="Folder to write to.")]

TRAIN_EXTRA: dict[str, Any] = {
    "context": (typer.Context, EMPTY),
    "preset": (PRESET, None),
    "config": (CONFIG, None),
    "dry_run": (DRY_RUN, False),
}
ALL = tuple(item.name for item in fields(Options) if item.name != "algorithm")

_train = with_options(train_command, ALL, TRAIN_EXTRA)
for _word in ALGORITHMS:
    app.command(_word, help=ABOUT[_word])(_train)
app.command("data")(with_options(data_command, DATA_OPTIONS, {"output": (OUTPUT, EMPTY)}))
