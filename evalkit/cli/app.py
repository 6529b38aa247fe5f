"""The `evalkit` command line: the typer application."""

from __future__ import annotations

import typer

from evalkit.run_app import VERSION, run_program

app = typer.Typer(
    name="evalkit",
    help="Score checkpoints under the prompts they were trained with, and compare them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def main_options(version: VERSION = False) -> None:
    """Score checkpoints under the prompts they were trained with, and compare them."""


def main() -> None:
    import evalkit.cli  # noqa: F401  (registers the commands)

    run_program(app)
