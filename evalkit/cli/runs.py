"""`evalkit runs | show | rescore`: results that are there already; no model is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import options
from evalkit.cli.app import app
from evalkit.text import json_text

RunName = Annotated[str, typer.Argument(help="Folder, name, start of a name, or step_50.")]


@app.command("runs")
def runs_command(
    model: Annotated[str | None, typer.Option(help="Only models whose name holds this.")] = None,
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    format: options.Format = "table",
) -> None:
    """List the runs in the results folder, newest first; exit code 2 or 3 where one cannot be read."""
    import sys

    from evalkit.runs.folder import read_runs
    from evalkit.runs.table import render_runs
    from evalkit.settings import settings

    runs, broken = read_runs(settings().results)
    for error in broken:
        print(f"left out: {error}", file=sys.stderr)
    found = [
        run for run in runs if (model or "") in run.manifest.model.name and task in (None, run.manifest.task)
    ]
    if not found:
        print(f"no such run in {settings().results}; make one: evalkit score", file=sys.stderr)
    print(render_runs(found, format))
    if broken:
        raise typer.Exit(max(error.exit_code for error in broken))


@app.command("show")
def show_command(
    run: RunName,
    outcome: Annotated[str | None, typer.Option(help="correct, wrong, no_answer or unscored.")] = None,
    reason: Annotated[str | None, typer.Option(help="Text that the reason holds.")] = None,
    id: Annotated[str | None, typer.Option(help="Row id, or its start.")] = None,
    n: options.Number = 5,
    format: options.TableOrJson = "table",
) -> None:
    """Show rows of a run: question, completion with the span that was read, gold, verdict."""
    from rich.console import Console

    from evalkit.runs.find import find_run
    from evalkit.runs.show import choose, print_records
    from evalkit.settings import settings

    found = find_run(run, settings().results, complete=False)
    records = choose(found, outcome=outcome, reason=reason, row_id=id, n=n)
    if format == "json":
        print(json_text([record.as_dict() for record in records]))
    else:
        print_records(records, found.lock.reading, Console())


@app.command("rescore")
def rescore_command(
    run: RunName,
    rule: Annotated[
        str | None, typer.Option(help="Extraction rule; if not given the run's own, newest version.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the new run; if not given beside the old one.")
    ] = None,
    format: options.Format = "table",
) -> None:
    """Read a run's stored completions again and write a new run that points to its source."""
    from evalkit.portable import command_line
    from evalkit.runs.find import find_run
    from evalkit.runs.rescore import rescore
    from evalkit.runs.table import render_result
    from evalkit.settings import settings

    found = find_run(run, settings().results)
    print(render_result(rescore(found, rule=rule, command=command_line(), output=output), format))
