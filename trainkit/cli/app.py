"""The `trainkit` command line: the typer application. `python -m trainkit` works too."""

from __future__ import annotations

import typer

from evalkit.run_app import VERSION, run_program

app = typer.Typer(
    name="trainkit",
    help="Train checkpoints that evalkit reads under the prompts they were trained with.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def main_options(version: VERSION = False) -> None:
    """Train checkpoints that evalkit reads under the prompts they were trained with."""


def main() -> None:
    import trainkit.cli  # noqa: F401  (registers the commands)

    run_program(app)
