"""`evalkit score`: a model on a task under one prompt."""

from __future__ import annotations

from evalkit.cli import options
from evalkit.cli.app import app
from evalkit.score.options import ScoreOptions


@app.command("score")
@options.takes(ScoreOptions)
def score_command(asked: ScoreOptions, format: options.Format = "table") -> None:
    """Score a model on a task. The same command resumes a run that was stopped."""
    from evalkit.engines.vllm_install import preload_openmp

    preload_openmp()
    from evalkit.runs.table import render_result
    from evalkit.score.from_options import plan_of
    from evalkit.score.pipeline import score_model
    from evalkit.score.provenance import command_line
    from evalkit.settings import settings

    plan = plan_of(asked)
    run = score_model(plan, command=command_line(), results=settings().results, output=asked.output)
    print(render_result(run, format))
