"""A typer application (evalkit, trainkit): how its help looks, its exit codes, how errors reach the user."""

from __future__ import annotations

import copy
import errno
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Annotated, Any

import typer

from evalkit.terminal import close_output, guard_streams
from prompts.errors import Mismatch, UserError
from prompts.install import DISTRIBUTION, install

INTERRUPTED = 130
OF_THE_USER = {errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ELOOP}
"""What a file system says of a path that was given, wherever it was met; any other is a bug of ours."""
# What click raises for an unknown option, value or command; typer brings a click of its own.
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]


def show_version(asked: bool) -> None:
    """`--version`: of this checkout, since both packages are one distribution."""
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(version(DISTRIBUTION))
        except PackageNotFoundError:
            raise UserError(f"no version: run from a folder that is not installed; {install()}") from None
        raise typer.Exit


VERSION = Annotated[
    bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
]


def describe(
    app: typer.Typer, groups: Mapping[str, Sequence[str]], examples: Mapping[str, str], prefix: str = ""
) -> None:
    """Put commands into groups, in the order of `groups`, each with its example below the options.

    A command that no group names comes last; tests/evalkit/cli/test_help.py sees to it that none does.
    """
    order = [name for names in groups.values() for name in names]
    panels = {name: panel for panel, names in groups.items() for name in names}

    def place(entry: Any) -> int:
        return order.index(entry.name) if entry.name in order else len(order)

    for command in app.registered_commands:
        command.rich_help_panel = panels.get(str(command.name), command.rich_help_panel)
        if example := examples.get(f"{prefix}{command.name}"):
            command.epilog = f"Example: {example}"
    app.registered_commands.sort(key=place)
    for group in app.registered_groups:
        group.rich_help_panel = panels.get(str(group.name), group.rich_help_panel)
        if group.typer_instance is not None:
            describe(group.typer_instance, {}, examples, f"{group.name} ")


def topic_of(option: str, topics: Mapping[str, Sequence[str]]) -> str | None:
    """The panel of `--help` in which an option stands; None is the first one."""
    return next((topic for topic, names in topics.items() if option in names), None)


def run_app(application: typer.Typer) -> None:
    """Run a typer application with the exit codes of docs/design.md; each error is one line on stderr."""
    guard_streams()
    if "--help" in sys.argv or len(sys.argv) == 1:
        _lighten_help()
    if sys.argv[1:] in ([], ["--help"]):
        _forget_options(application)
    try:
        code = _with_the_named(application)(standalone_mode=False)
        close_output()
    except UserError as error:
        _say(f"error: {error}")
        if isinstance(error, Mismatch) and error.detail:
            _say(error.detail)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in OF_THE_USER:
            raise
        _say(f"error: {str(error.filename or 'a file')[:200]}: {os.strerror(error.errno)}")
        sys.exit(UserError.exit_code)
    except USAGE_ERROR as error:
        if line := _usage_line(error):
            _say(f"error: {line}")
        sys.exit(UserError.exit_code)
    if code == INTERRUPTED:  # typer's answer to Ctrl-C
        print("interrupted: the same command resumes here", file=sys.stderr)
    sys.exit(code)


def run_program(application: typer.Typer) -> None:
    """`run_app` as the whole of a process: once vLLM is imported it ends without Python's teardown, which
    takes seconds; the engine is closed by then.
    """
    try:
        run_app(application)
    except SystemExit as end:
        if "vllm" in sys.modules and isinstance(end.code, int | None):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code or 0)
        raise


def _forget_options(application: typer.Typer) -> None:
    """Leave commands without options, for a page that lists their names and first sentences alone.

    typer would evaluate the types of several hundred parameters for it, a tenth of what it costs.
    """
    for command in application.registered_commands:

        def shown() -> None: ...

        shown.__doc__ = command.callback.__doc__
        command.callback = shown
    for group in application.registered_groups:
        if group.typer_instance is not None:
            _forget_options(group.typer_instance)


def _with_the_named(application: typer.Typer) -> typer.Typer:
    """The application with only the command that is called, where the first word names one.

    typer would evaluate the options of all others, which costs as much as a small `diff` computes.
    """
    named = sys.argv[1] if len(sys.argv) > 1 else ""
    light = copy.copy(application)
    light.registered_commands = [entry for entry in application.registered_commands if entry.name == named]
    light.registered_groups = [entry for entry in application.registered_groups if entry.name == named]
    return light if light.registered_commands or light.registered_groups else application


UNUSED = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}
"""What typer imports to draw a help page, and takes for help written in Markdown and for tracebacks only."""


def _lighten_help() -> None:
    """Let typer load its help pages without Markdown and syntax highlighting: a fifth of what `--help` costs.

    Our applications use neither (`rich_markup_mode` and `pretty_exceptions_enable`), and other importers of
    those modules get the real ones.
    """
    if "typer.rich_utils" in sys.modules or UNUSED.keys() & sys.modules.keys():
        return
    for name, member in UNUSED.items():
        sys.modules[name] = ModuleType(name)
        setattr(sys.modules[name], member, None)
    try:
        importlib.import_module("typer.rich_utils")
    finally:
        for name in UNUSED:
            del sys.modules[name]


def _say(text: str) -> None:
    """Messages quote files and models: what could steer a terminal is shown as its code."""
    from evalkit.text import printable

    print(printable(text), file=sys.stderr)


def _usage_line(error: Any) -> str:
    """What is wrong with the command line and where help stands; empty where help was printed already."""
    words = error.format_message().replace("Value error, ", "").split()
    if not words:
        return ""
    command = error.ctx.command_path if error.ctx else "evalkit"
    return f"{' '.join(words).rstrip('.')}; `{command} --help` shows what is allowed"
