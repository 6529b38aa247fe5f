"""`evalkit noise`: score a checkpoint twice, count what flips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from evalkit.cli.app import app


@app.command("noise")
def noise_command(
    model: Annotated[str, typer.Argument(help="As --model of `evalkit score`.")],
    task: Annotated[str, typer.Option(help="As in `evalkit score`.")],
    split: Annotated[str | None, typer.Option(help="Split of the task; the test split unless said.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Prompt template, as in `evalkit score`.")] = None,
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
    tp: Annotated[int, typer.Option(help="GPUs that the model is split over.")] = 1,
    batch_invariant: Annotated[
        bool, typer.Option("--batch-invariant", help="With vLLM's switch that should leave no noise (GPU).")
    ] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let the model folder's own code run.")
    ] = False,
    format: Annotated[Literal["table", "json"], typer.Option(help="How to print it.")] = "table",
) -> None:
    """Score a checkpoint twice and count the greedy answers that flip; `evalkit diff` shows it then."""
    from evalkit.engines.vllm import preload_openmp

    preload_openmp()
    import json

    from evalkit.cli.prompts import template_folders
    from evalkit.config import settings
    from evalkit.engines import EngineOptions
    from evalkit.models import resolve_model
    from evalkit.noise import score_twice
    from evalkit.plan import make_plan, select
    from evalkit.provenance import command_line
    from evalkit.records import Sampling
    from evalkit.tasks import load_rows

    rows = select(load_rows(task, split, data=data or settings().data), limit, [])
    plan = make_plan(
        resolve_model(model, trust_remote_code=trust_remote_code),
        rows,
        prompt=prompt,
        folders=template_folders(prompts),
        sampling=Sampling(max_tokens=rows.max_tokens if max_tokens is None else max_tokens),
        engine=engine,
        options=EngineOptions(
            gpu_memory=gpu_memory, tp=tp, batch_invariant=batch_invariant, trust_remote_code=trust_remote_code
        ),
    )
    first, second, noise = score_twice(plan, command=command_line(), results=settings().results)
    if format == "json":
        values = {"n": noise.n, "flips": noise.flips, "texts": noise.texts, "runs": [first.name, second.name]}
        print(json.dumps(values, indent=2))
    else:
        print(f"{noise.sentence()}\n{first.folder}\n{second.folder}")
