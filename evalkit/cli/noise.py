"""`evalkit noise`: score a checkpoint twice, count what flips."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli import options
from evalkit.cli.app import app
from evalkit.score.options import ScoreOptions
from evalkit.text import json_text

MODEL = Annotated[list[str], typer.Argument(help="As --model of `evalkit score`.")]
SWITCH = Annotated[
    bool, typer.Option("--batch-invariant", help="With vLLM's switch that should leave no noise (GPU).")
]
TAKEN = (
    "model", "task", "split", "prompt", "prompts", "data", "limit", "max_tokens", "engine", "gpu_memory",
    "tp", "batch_invariant", "trust_remote_code",
)  # fmt: skip


@app.command("noise")
@options.takes(ScoreOptions, *TAKEN, model=MODEL, batch_invariant=SWITCH)
def noise_command(asked: ScoreOptions, format: options.TableOrJson = "table") -> None:
    """Score a checkpoint twice and count the greedy answers that flip; `evalkit diff` shows it then."""
    from evalkit.engines.vllm_install import preload_openmp

    preload_openmp()

    from evalkit.portable import command_line
    from evalkit.score.from_options import plan_of
    from evalkit.score.noise_floor import score_twice
    from evalkit.settings import settings

    plan = plan_of(asked)
    first, second, noise = score_twice(plan, command=command_line(), results=settings().results)
    if format == "json":
        values = {"n": noise.n, "flips": noise.flips, "texts": noise.texts, "runs": [first.name, second.name]}
        print(json_text(values))
    else:
        print(f"{noise.sentence()}\n{first.folder}\n{second.folder}")
