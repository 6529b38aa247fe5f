"""The `trainkit` command line: the typer application. `python -m trainkit` works too."""

from __future__ import annotations

import typer

from evalkit.cli.app import run_app

app = typer.Typer(
    name="trainkit",
    help="Train checkpoints that evalkit reads under the prompts they were trained with.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    import trainkit.cli  # noqa: F401  (registers the commands)

    run_app(app)
