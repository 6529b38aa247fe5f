"""`evalkit prompts cost`."""

from __future__ import annotations

from evalkit.cli import options
from evalkit.cli.prompts import prompts_app


@prompts_app.command("cost")
def cost_command(
    model: options.Model,
    task: options.Task,
    split: options.Split = None,
    prompts: options.Prompts = None,
    data: options.Data = None,
    limit: options.Limit = None,
    max_tokens: options.MaxTokens = None,
    engine: options.Engine = "vllm",
    gpu_memory: options.GpuMemory = 0.9,
    trust_remote_code: options.TrustRemoteCode = False,
    format: options.Format = "table",
) -> None:
    """Score a model under every prompt of a task, and print what each wrong one costs."""
    from evalkit.engines.vllm_install import preload_openmp

    preload_openmp()
    from evalkit.engines.base import EngineOptions
    from evalkit.models.resolve import resolve_model
    from evalkit.records import Sampling
    from evalkit.score.plan import select
    from evalkit.score.prompt_cost import prompt_cost, render_cost
    from evalkit.score.provenance import command_line
    from evalkit.settings import settings
    from evalkit.tasks.load import load_rows

    rows = select(load_rows(task, split, data=data or settings().data), limit, [])
    cost = prompt_cost(
        resolve_model(model, trust_remote_code=trust_remote_code),
        rows,
        folders=options.template_folders(prompts),
        sampling=Sampling(max_tokens=rows.max_tokens if max_tokens is None else max_tokens),
        engine=engine,
        options=EngineOptions(gpu_memory=gpu_memory, trust_remote_code=trust_remote_code),
        command=command_line(),
        results=settings().results,
    )
    print(render_cost(cost, format))
