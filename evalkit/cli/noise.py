"""`evalkit noise`: score a checkpoint twice, count what flips."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli import options
from evalkit.cli.app import app


@app.command("noise")
def noise_command(
    model: Annotated[str, typer.Argument(help="As --model of `evalkit score`.")],
    task: options.Task,
    split: options.Split = None,
    prompt: options.Prompt = None,
    prompts: options.Prompts = None,
    data: options.Data = None,
    limit: options.Limit = None,
    max_tokens: options.MaxTokens = None,
    engine: options.Engine = "vllm",
    gpu_memory: options.GpuMemory = 0.9,
    tp: options.Tp = 1,
    batch_invariant: Annotated[
        bool, typer.Option("--batch-invariant", help="With vLLM's switch that should leave no noise (GPU).")
    ] = False,
    trust_remote_code: options.TrustRemoteCode = False,
    format: options.TableOrJson = "table",
) -> None:
    """Score a checkpoint twice and count the greedy answers that flip; `evalkit diff` shows it then."""
    from evalkit.engines.vllm_install import preload_openmp

    preload_openmp()
    import json

    from evalkit.engines.base import EngineOptions
    from evalkit.models.resolve import resolve_model
    from evalkit.records import Sampling
    from evalkit.score.noise_floor import score_twice
    from evalkit.score.plan import plan_run, select
    from evalkit.score.provenance import command_line
    from evalkit.settings import settings
    from evalkit.tasks.load import load_rows

    rows = select(load_rows(task, split, data=data or settings().data), limit, [])
    plan = plan_run(
        resolve_model(model, trust_remote_code=trust_remote_code),
        rows,
        prompt=prompt,
        folders=options.template_folders(prompts),
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
