"""`evalkit prompts cost`."""

from __future__ import annotations

from evalkit.cli import options
from evalkit.cli.prompts import prompts_app
from evalkit.score.options import ScoreOptions

TAKEN = (
    "model", "task", "split", "prompts", "data", "question_field", "answer_field", "limit", "max_tokens",
    "engine", "gpu_memory", "trust_remote_code",
)  # fmt: skip


@prompts_app.command("cost")
@options.takes(ScoreOptions, *TAKEN)
def cost_command(asked: ScoreOptions, format: options.Format = "table") -> None:
    """Score a model under every prompt of a task, and print what each wrong one costs."""
    from evalkit.engines.vllm_install import preload_openmp

    preload_openmp()
    from evalkit.models.resolve import resolve_model
    from evalkit.portable import command_line
    from evalkit.score.from_options import rows_of
    from evalkit.score.prompt_cost import prompt_cost, render_cost
    from evalkit.settings import settings, template_folders

    rows = rows_of(asked)
    cost = prompt_cost(
        resolve_model(asked.one_model, trust_remote_code=asked.trust_remote_code),
        rows,
        folders=template_folders(asked.prompts),
        sampling=asked.sampling(rows.max_tokens),
        engine=asked.engine,
        options=asked.engine_options(),
        command=command_line(),
        results=settings().results,
    )
    print(render_cost(cost, format))
