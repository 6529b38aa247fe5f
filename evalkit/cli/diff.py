"""`evalkit diff` and `evalkit noise`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from evalkit.cli.app import app


@app.command("diff")
def diff_command(
    runs: Annotated[
        list[str],
        typer.Argument(help="Two or more runs, the base first: folder, name, start of a name, step_50."),
    ],
    common: Annotated[
        bool, typer.Option("--common", help="Runs of different rows: compare those they share.")
    ] = False,
    allow_mismatch: Annotated[
        bool,
        typer.Option(
            "--allow-mismatch", help="Compare runs that were read differently, and mark every line."
        ),
    ] = False,
    format: Annotated[
        Literal["table", "json", "csv", "markdown", "latex"], typer.Option(help="How to print it.")
    ] = "table",
) -> None:
    """Compare runs question by question: what was fixed, what was broken, and is it more than chance."""
    from evalkit.config import settings
    from evalkit.diff import diff_runs
    from evalkit.diff_table import render_diff
    from evalkit.find import find_run
    from prompts.errors import UserError

    if len(runs) < 2:
        raise UserError("diff takes two runs or more; `evalkit runs` lists them")
    found = [find_run(name, settings().results) for name in runs]
    if len({run.folder.resolve() for run in found}) < len(found):
        raise UserError(f"the same run was given twice: {', '.join(run.name for run in found)}")
    diff = diff_runs(found[0], found[1], common=common, allow_mismatch=allow_mismatch)
    print(render_diff(diff, format))
