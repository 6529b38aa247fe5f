"""`evalkit score`: a model on a task under one prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from evalkit.cli import options
from evalkit.cli.app import app


@app.command("score")
def score_command(
    model: options.Model,
    task: options.Task,
    split: options.Split = None,
    prompt: options.Prompt = None,
    prompts: options.Prompts = None,
    data: options.Data = None,
    question_field: options.QuestionField = None,
    answer_field: options.AnswerField = None,
    limit: options.Limit = None,
    ids: Annotated[
        str | None, typer.Option(help="Only the rows with these ids, separated by commas.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Completions a question.")] = 1,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Share of probability that is sampled from.")] = 1.0,
    max_tokens: options.MaxTokens = None,
    seed: Annotated[int, typer.Option(help="Seed of sampled completions.")] = 0,
    output: Annotated[
        Path | None, typer.Option(help="Result folder; unless said one in the results folder.")
    ] = None,
    engine: options.Engine = "vllm",
    gpu_memory: options.GpuMemory = 0.9,
    tp: options.Tp = 1,
    max_model_len: Annotated[
        int | None, typer.Option(help="Positions for prompt and completion together.")
    ] = None,
    dtype: Annotated[
        Literal["auto", "bfloat16", "float16", "float32"], typer.Option(help="Number format of the weights.")
    ] = "auto",
    batch_invariant: Annotated[
        bool,
        typer.Option(
            "--batch-invariant", help="Completions that do not depend on their batch (GPU, slower)."
        ),
    ] = False,
    trust_remote_code: options.TrustRemoteCode = False,
    allow_mismatch: Annotated[
        bool,
        typer.Option(
            "--allow-mismatch", help="Score under another prompt than the model's lock says; marked."
        ),
    ] = False,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Score questions that the model was trained on; marked.")
    ] = False,
    format: options.Format = "table",
) -> None:
    """Score a model on a task. The same command resumes a run that was stopped."""
    from evalkit.engines.vllm_install import preload_openmp

    preload_openmp()
    from evalkit.engines.base import EngineOptions
    from evalkit.models.resolve import resolve_model
    from evalkit.records import Sampling
    from evalkit.runs.table import render_result
    from evalkit.score.pipeline import score_model
    from evalkit.score.plan import plan_run, select
    from evalkit.score.provenance import command_line
    from evalkit.settings import settings
    from evalkit.tasks.load import load_rows

    rows = load_rows(
        task, split, data=data or settings().data, question_field=question_field, answer_field=answer_field
    )
    rows = select(rows, limit, [part.strip() for part in ids.split(",")] if ids else [])
    plan = plan_run(
        resolve_model(model, trust_remote_code=trust_remote_code),
        rows,
        prompt=prompt,
        folders=options.template_folders(prompts),
        sampling=Sampling(
            temperature=temperature,
            top_p=top_p,
            max_tokens=rows.max_tokens if max_tokens is None else max_tokens,
            samples=samples,
            seed=seed,
        ),
        engine=engine,
        options=EngineOptions(
            gpu_memory=gpu_memory,
            tp=tp,
            max_model_len=max_model_len,
            dtype=dtype,
            batch_invariant=batch_invariant,
            trust_remote_code=trust_remote_code,
        ),
        allow_mismatch=allow_mismatch,
        allow_overlap=allow_overlap,
    )
    run = score_model(plan, command=command_line(), results=settings().results, output=output)
    print(render_result(run, format))
