"""`trainkit agree`: verl's validation against `evalkit score`, question by question."""

from __future__ import annotations

from typing import Annotated

import typer

from trainkit.cli.app import app


@app.command("agree")
def agree_command(
    run: Annotated[str, typer.Argument(help="Training run: a path, or its name in the runs folder.")],
    step: Annotated[int, typer.Option("--step", help="Validated step; 0 is the base model.")] = 0,
    gpu_memory: Annotated[float, typer.Option("--gpu-memory", help="Share of GPU memory for vLLM.")] = 0.9,
) -> None:
    """Compare verl's validation with evalkit's scoring of the same weights."""
    from evalkit.engines.vllm_install import preload_openmp

    preload_openmp()
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from evalkit.text import printable
    from trainkit.verify.agreement import agreements
    from trainkit.watch.watch import find_training_run

    for result in agreements(find_training_run(run), step, gpu_memory=gpu_memory):
        n = len(result.pairs)
        title = printable(f"{result.source}: step {step}, {n} questions, greedy".removeprefix(": "))
        table = Table("", "verl's validation", "evalkit score", title=title)
        table.add_row("accuracy", f"{result.verl_accuracy:.3f}", f"{result.evalkit_accuracy:.3f}")
        table.add_row("same outcome", f"{n - len(result.differing)} of {n}", "")
        table.add_row("same text", f"{result.same_text} of {n}", "")
        for pair in result.differing:
            table.add_row(Text(printable(pair.id)), pair.verl_outcome, pair.evalkit_outcome)
        Console().print(table)
