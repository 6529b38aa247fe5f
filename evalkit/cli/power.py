"""`evalkit power`: how many questions a difference needs, before anything is run."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli import options
from evalkit.cli.app import app
from prompts.errors import UserError


@app.command("power")
def power_command(
    model: Annotated[
        str,
        typer.Option(help="A complete run of the model to improve on, as `evalkit diff` names it."),
    ],
    gain: Annotated[float, typer.Option(help="The difference to be shown, in percentage points.")],
    format: options.Format = "table",
) -> None:
    """Say how many questions or samples a difference needs, from runs that exist. No model is run."""
    if not 0 < gain <= 100:
        raise UserError(f"--gain takes percentage points above 0 and up to 100, got {gain:g}: --gain 2")
    from evalkit.compare.power import needs, render_needs
    from evalkit.runs.find import comparable_runs, find_run
    from evalkit.settings import settings

    run = find_run(model, settings().results)
    print(
        render_needs(
            needs(run, comparable_runs(run, settings().results), gain / 100), run, gain / 100, format
        )
    )
