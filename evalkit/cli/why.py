"""`evalkit why | power`: what carries a difference that is there, and what one takes that is to be shown."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli import options
from evalkit.cli.app import app
from evalkit.engines.base import EngineOptions
from evalkit.score.options import help_of
from prompts.errors import UserError


@app.command("why")
def why_command(
    base: Annotated[str, typer.Argument(help="A complete run, as `evalkit diff` names it.")],
    new: Annotated[str, typer.Argument(help="The run whose number differs from it.")],
    score: Annotated[
        bool,
        typer.Option("--score", help="Load the model and score what stored completions cannot say."),
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="With --score: where the weights lie, unless where the runs say.")
    ] = None,
    data: options.Data = None,
    limit: Annotated[int | None, typer.Option(help="With --score: only the first rows.")] = None,
    prompts: options.Prompts = None,
    gpu_memory: Annotated[float, typer.Option(help=help_of("gpu_memory"))] = EngineOptions.gpu_memory,
    format: options.Format = "table",
) -> None:
    """Say why two numbers differ: the points that template, rule, limit and the like carry.

    Stored completions are read again under either rule; what they cannot say takes a model (--score).
    """
    if score:
        from evalkit.engines.vllm_install import preload_openmp

        preload_openmp()
    from evalkit.compare.why import explain_gap
    from evalkit.compare.why_table import render_gap
    from evalkit.runs.find import find_run
    from evalkit.settings import settings, template_folders

    first, second = (find_run(name, settings().results) for name in (base, new))
    if score:
        from evalkit.score.one_key import explain_by_scoring
        from evalkit.score.plan import select
        from evalkit.tasks.load import load_rows

        manifest = first.manifest
        task = select(load_rows(manifest.task, manifest.split, data=data or settings().data), limit, [])
        gap = explain_by_scoring(
            first,
            second,
            task,
            model=model,
            folders=template_folders(prompts),
            options=EngineOptions(gpu_memory=gpu_memory),
        )
    else:
        gap = explain_gap(first, second)
    print(render_gap(gap, format, f"evalkit why {base} {new} --score"))


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
