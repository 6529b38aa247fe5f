"""`trainkit watch`: look at a training run from its folder, while it trains or afterwards."""

from __future__ import annotations

from typing import Annotated

import typer

from trainkit.cli.app import app


@app.command("watch")
def watch_command(
    run: Annotated[str, typer.Argument(help="Folder of the training run, its name, or the start of it.")],
    score: Annotated[bool, typer.Option("--score", help="Score checkpoints as they appear.")] = False,
) -> None:
    """Show step, time left, curves and phases of a training run; Ctrl-C leaves the training alone."""
    from rich.console import Console

    from trainkit.watch.watch import find_training_run, watch

    watch(find_training_run(run), score=score, console=Console())
