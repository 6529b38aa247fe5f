"""Options of commands: made of a dataclass where the code has one, else spelled once for all commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from evalkit.cli.help import TOPICS
from evalkit.run_app import topic_of
from evalkit.score.options import help_of

Split = Annotated[str | None, typer.Option(help=help_of("split"))]
Prompts = Annotated[list[Path] | None, typer.Option(help=help_of("prompts"))]
Data = Annotated[Path | None, typer.Option(help=help_of("data"))]
QuestionField = Annotated[list[str] | None, typer.Option(help=help_of("question_field"))]
AnswerField = Annotated[list[str] | None, typer.Option(help=help_of("answer_field"))]
TrustRemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help=help_of("trust_remote_code"))]
Number = Annotated[int, typer.Option("-n", help="How many rows.")]
Format = Annotated[Literal["table", "json", "csv", "markdown"], typer.Option(help="How to print it.")]
TableOrJson = Annotated[Literal["table", "json"], typer.Option(help="How to print it.")]

KEYWORD = inspect.Parameter.KEYWORD_ONLY


def takes(kind: type, *names: str, **other: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass (all, or those named) as options, in the dataclass's order.

    The command is called with an object of `kind` first, then with the options that it declares itself,
    which `--help` lists last. `other` holds annotations that take the place of a field's own.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(kind)
        chosen = [item for item in fields(kind) if item.name in names or not names]
        derived = [_parameter(item, hints[item.name], other.get(item.name)) for item in chosen]
        types = get_type_hints(command, include_extras=True)
        own = [
            parameter.replace(kind=KEYWORD, annotation=types[parameter.name])
            for parameter in list(inspect.signature(command).parameters.values())[1:]
        ]

        def run(**values: Any) -> None:
            asked = kind(**{item.name: values.pop(item.name) for item in chosen})
            command(asked, **values)

        run.__doc__ = command.__doc__
        run.__signature__ = inspect.Signature([*derived, *own])  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*derived, *own)}
        return run

    return decorate


def _parameter(item: Field[Any], hint: Any, annotation: Any) -> inspect.Parameter:
    """One option from one field; a switch has no `--no-` form."""
    if annotation is None:
        flags = [f"--{item.name.replace('_', '-')}"] if hint is bool else []
        topic = topic_of(item.name, TOPICS)
        annotation = Annotated[hint, typer.Option(*flags, help=item.metadata["help"], rich_help_panel=topic)]
    default = inspect.Parameter.empty if item.default is MISSING else item.default
    return inspect.Parameter(item.name, KEYWORD, default=default, annotation=annotation)
