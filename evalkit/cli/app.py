"""The `evalkit` command line: the typer application and how errors reach the user."""

from __future__ import annotations

import sys

import typer

from prompts.errors import Mismatch, UserError

app = typer.Typer(
    name="evalkit",
    help="Score checkpoints under the prompts they were trained with, and compare them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


INTERRUPTED = 130


def run_app(application: typer.Typer) -> None:
    """Run a typer application with the exit codes of docs/design.md."""
    try:
        application()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        if isinstance(error, Mismatch) and error.detail:
            print(error.detail, file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer's answer to Ctrl-C
            print("interrupted: the same command goes on from here", file=sys.stderr)
        raise


def main() -> None:
    import evalkit.cli  # noqa: F401  (registers the commands)

    run_app(app)
