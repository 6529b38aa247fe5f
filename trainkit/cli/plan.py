"""`trainkit plan`: batch arithmetic, memory and time of a run, before anything starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from evalkit.text import json_text
from trainkit.cli.app import app
from trainkit.cli.train import ALL, with_options
from trainkit.option_file import read_toml
from trainkit.options import PRESETS, resolve


def plan_command(
    preset: str | None, config: Path | None, on: str | None, format: str, algorithm: str | None, **given: Any
) -> None:
    """Say in words what a run will do, what memory it needs, whether it fits and how long it takes."""
    from evalkit.machine import find_gpus
    from trainkit.plan.estimate import check_fits, estimate
    from trainkit.plan.request import estimate_for, parse_gpu
    from trainkit.plan.table import as_dict, render

    gpu = parse_gpu(on) if on else None
    chosen = {name: value for name, value in given.items() if value not in (None, [])}
    has_gpu = gpu is not None or bool(find_gpus())
    options = resolve(
        algorithm or "grpo",
        chosen,
        preset=preset,
        config=read_toml(config) if config else None,
        has_gpu=has_gpu,
    )
    plan = estimate(estimate_for(options, gpu if options.device == "cuda" else None))
    if format == "json":
        print(json_text(as_dict(plan)))
    else:
        from rich.console import Console

        Console(file=sys.stdout).print(render(plan), highlight=False)
    check_fits(plan)


EXTRA: dict[str, Any] = {
    "preset": (Annotated[str | None, typer.Option(help=f"Start from: {', '.join(PRESETS)}.")], None),
    "config": (Annotated[Path | None, typer.Option(help="TOML file of options.")], None),
    "on": (
        Annotated[
            str | None, typer.Option(help="Plan for a GPU that is not here: name:GiB, as in H200:140.")
        ],
        None,
    ),
    "format": (Annotated[Literal["table", "json"], typer.Option(help="How to print it.")], "table"),
}
app.command("plan")(with_options(plan_command, ("algorithm", *ALL), EXTRA))
