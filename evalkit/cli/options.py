"""Options that several commands take: each is spelled once, so that it means the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Model = Annotated[
    str,
    typer.Option(help="Folder, Hugging Face id or id@revision, global_step_N, run:step_50 or smollm2-135m."),
]
Task = Annotated[
    str, typer.Option(help="gsm8k, sums, rg:NAME, math-500, aime, or a jsonl/json/csv/parquet file.")
]
Split = Annotated[str | None, typer.Option(help="Split of the task; the test split unless said.")]
Prompt = Annotated[
    str | None,
    typer.Option(help="Prompt template; unless said the one of the model's lock, else the task's."),
]
Prompts = Annotated[
    list[Path] | None,
    typer.Option(help="Folder with templates of your own; may be given more than once."),
]
Data = Annotated[Path | None, typer.Option(help="Folder that holds gsm8k/test.jsonl and the like.")]
QuestionField = Annotated[str | None, typer.Option(help="Field of a file that holds the question.")]
AnswerField = Annotated[str | None, typer.Option(help="Field of a file that holds the gold.")]
Limit = Annotated[int | None, typer.Option(help="Only the first rows.")]
MaxTokens = Annotated[int | None, typer.Option(help="Response limit; unless said the task's.")]
Engine = Annotated[str, typer.Option(help="vllm, or hf: plain transformers.")]
GpuMemory = Annotated[float, typer.Option(help="Share of each GPU's memory that vLLM may take.")]
Tp = Annotated[int, typer.Option(help="GPUs that the model is split over.")]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Let the model folder's own code run.")
]
Number = Annotated[int, typer.Option("-n", help="How many rows.")]
Format = Annotated[Literal["table", "json", "csv", "markdown"], typer.Option(help="How to print it.")]
TableOrJson = Annotated[Literal["table", "json"], typer.Option(help="How to print it.")]


def template_folders(given: list[Path] | None) -> list[Path]:
    """Folders of the settings, then those that --prompts names."""
    from evalkit.settings import settings

    return [*settings().prompts, *(given or [])]
