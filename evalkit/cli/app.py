"""The `evalkit` command line: the typer application and how errors reach the user."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from evalkit.text import printable
from prompts.errors import Mismatch, UserError

app = typer.Typer(
    name="evalkit",
    help="Score checkpoints under the prompts they were trained with, and compare them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


DISTRIBUTION = "lockstep-evalkit"
INTERRUPTED = 130
# What click raises for an unknown option, value or command; typer brings a click of its own.
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]


def show_version(asked: bool) -> None:
    """`--version`: of this checkout, since both packages are one distribution."""
    if asked:
        from importlib.metadata import version

        print(version(DISTRIBUTION))
        raise typer.Exit


VERSION = Annotated[
    bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
]


@app.callback()
def main_options(version: VERSION = False) -> None:
    """Score checkpoints under the prompts they were trained with, and compare them."""


def run_app(application: typer.Typer) -> None:
    """Run a typer application with the exit codes of docs/design.md; each error is one line on stderr."""
    try:
        code = application(standalone_mode=False)
    except UserError as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        if isinstance(error, Mismatch) and error.detail:
            print(printable(error.detail), file=sys.stderr)
        sys.exit(error.exit_code)
    except USAGE_ERROR as error:
        if line := _usage_line(error):
            print(f"error: {printable(line)}", file=sys.stderr)
        sys.exit(UserError.exit_code)
    if code == INTERRUPTED:  # typer's answer to Ctrl-C
        print("interrupted: the same command resumes here", file=sys.stderr)
    sys.exit(code)


def _usage_line(error: Any) -> str:
    """What is wrong with the command line and where help stands; empty where help was printed already."""
    words = error.format_message().replace("Value error, ", "").split()
    if not words:
        return ""
    command = error.ctx.command_path if error.ctx else "evalkit"
    return f"{' '.join(words).rstrip('.')}; `{command} --help` shows what is allowed"


def main() -> None:
    import evalkit.cli  # noqa: F401  (registers the commands)

    run_app(app)
