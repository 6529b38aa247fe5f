"""`evalkit score`: a model on a task under one prompt."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from evalkit.cli import options
from evalkit.cli.app import app
from evalkit.score.options import ScoreOptions
from prompts.errors import Failed, UserError

if TYPE_CHECKING:
    from evalkit.runs.folder import Run

UNTIL = Annotated[
    Literal["all", "decided"],
    typer.Option(help="decided: stop as soon as the comparison with --against is; all fills it up."),
]
AGAINST = Annotated[
    str | None, typer.Option(help="Complete run to decide against, as `evalkit diff` names it.")
]
MARGIN = Annotated[float, typer.Option(help="Points within which two models count as equal.")]
WATCH = Annotated[
    bool, typer.Option("--watch", help="Of run:all also the checkpoints that are still to come.")
]
COMPARISONS = Annotated[
    int, typer.Option(help="How many checkpoints are decided in all; the error is shared.")
]
LOGGER = Annotated[
    list[str] | None,
    typer.Option(help="Also log to wandb, mlflow or tensorboard, beside the training's curves (repeatable)."),
]


@app.command("score")
@options.takes(ScoreOptions)
def score_command(
    asked: ScoreOptions,
    until: UNTIL = "all",
    against: AGAINST = None,
    margin: MARGIN = 1.0,
    comparisons: COMPARISONS = 1,
    watch: WATCH = False,
    logger: LOGGER = None,
    format: options.Format = "table",
) -> None:
    """Score models on tasks. The same command resumes what was stopped.

    Several models share one engine, and the learning curve is printed at the end.
    """
    if until == "decided" and against is None:
        raise UserError("--until decided compares with a complete run; name it: --against RUN")
    if until == "all" and against is not None:
        raise UserError(f"--against {against} belongs to --until decided: add that, or leave this out")
    if not 0 < margin <= 100:
        raise UserError(f"--margin takes percentage points above 0 and up to 100, got {margin:g}: --margin 1")
    if comparisons < 1:
        raise UserError(f"--comparisons {comparisons}: at least 1")
    from evalkit.exchange.loggers import check_loggers

    check_loggers(logger or [])
    from evalkit.engines.copies.ahead import start_ahead
    from evalkit.engines.vllm_install import preload_openmp
    from evalkit.process_start import process_started

    preload_openmp()
    start_ahead(asked.engine, asked.engine_options())
    from evalkit.portable import command_line
    from evalkit.runs.by_task import lines_by_task
    from evalkit.runs.find import find_run
    from evalkit.runs.table import render_result
    from evalkit.score.from_options import plan_of
    from evalkit.score.many.run import check_many, score_models
    from evalkit.score.many.table import render_runs
    from evalkit.score.pipeline import score_model
    from evalkit.score.timing import parts_of
    from evalkit.score.until import Comparison, score_until_decided
    from evalkit.settings import settings

    results, command = settings().results, command_line()
    names = check_many(asked, watch=watch)
    if watch or len(names) > 1:
        if until == "decided":
            raise UserError("--until decided takes one model; leave it out, or run it once for each")
        runs, unlogged = [], None
        for run in score_models(asked, names, command=command, results=results, watch=watch):
            runs.append(run)
            try:
                log(run, logger or [])
            except Failed as error:  # the next checkpoint is scored all the same
                unlogged = error
                print(f"warning: {error}", file=sys.stderr)
        print(render_runs(runs, format))
        if unlogged is not None:
            raise unlogged
        return
    asked = replace(asked, model=names)
    if until == "decided" and against is not None:
        base = find_run(against, results)
        comparison = Comparison(base=base, margin=margin / 100, comparisons=comparisons)
        plan = plan_of(asked)
        run = score_until_decided(plan, comparison, command=command, results=results, output=asked.output)
    else:
        plan, planned = plan_of(asked), time.time()
        run = score_model(plan, command=command, results=results, output=asked.output)
        print(parts_of(process_started(), planned, run.manifest.times), file=sys.stderr)
    print(render_result(run, format))
    if format == "table":
        for line in lines_by_task(run):
            print(line)
    log(run, logger or [])


def log(run: Run, loggers: Sequence[str]) -> None:
    """Log a complete run, with what it fixed and broke since its training began. Raises as `log_scores`."""
    if not loggers:
        return
    from evalkit.exchange.loggers import log_scores, scores_of
    from evalkit.score.since_start import since_start

    if not run.complete:
        print(f"{run.name} was not logged: it {run.manifest.unfinished}", file=sys.stderr)
        return
    change = since_start(run)
    counts = (change.fixed, change.broken) if change else (None, None)
    for line in log_scores(loggers, scores_of(run, *counts)):
        print(line, file=sys.stderr)
