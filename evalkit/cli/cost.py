"""`evalkit prompts cost`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from evalkit.cli.prompts import prompts_app, template_folders


@prompts_app.command("cost")
def cost_command(
    model: Annotated[str, typer.Option(help="As in `evalkit score`.")],
    task: Annotated[str, typer.Option(help="As in `evalkit score`.")],
    split: Annotated[str | None, typer.Option(help="Split of the task; the test split unless said.")] = None,
    prompts: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with templates of your own; may be given more than once."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder that holds gsm8k/test.jsonl and the like.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first rows.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Response limit; unless said the task's.")] = None,
    engine: Annotated[str, typer.Option(help="vllm, or hf: plain transformers.")] = "vllm",
    gpu_memory: Annotated[float, typer.Option(help="Share of each GPU's memory that vLLM may take.")] = 0.9,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let the model folder's own code run.")
    ] = False,
    format: Annotated[
        Literal["table", "json", "csv", "markdown"], typer.Option(help="How to print it.")
    ] = "table",
) -> None:
    """Score a model under every prompt of a task, and print what each wrong one costs."""
    from evalkit.engines.vllm import preload_openmp

    preload_openmp()
    from evalkit.config import settings
    from evalkit.cost import prompt_cost, render_cost
    from evalkit.engines import EngineOptions
    from evalkit.models import resolve_model
    from evalkit.plan import select
    from evalkit.provenance import command_line
    from evalkit.records import Sampling
    from evalkit.tasks import load_rows

    rows = select(load_rows(task, split, data=data or settings().data), limit, [])
    cost = prompt_cost(
        resolve_model(model, trust_remote_code=trust_remote_code),
        rows,
        folders=template_folders(prompts),
        sampling=Sampling(max_tokens=rows.max_tokens if max_tokens is None else max_tokens),
        engine=engine,
        options=EngineOptions(gpu_memory=gpu_memory, trust_remote_code=trust_remote_code),
        command=command_line(),
        results=settings().results,
    )
    print(render_cost(cost, format))
