"""From what was asked for to a plan: rows, model, templates and settings, found once for all commands."""

from __future__ import annotations

from evalkit.models.resolve import resolve_model
from evalkit.score.options import ScoreOptions
from evalkit.score.plan import RunPlan, plan_run, select
from evalkit.settings import settings, template_folders
from evalkit.tasks.load import load_rows
from evalkit.tasks.task import Task


def rows_of(options: ScoreOptions) -> Task:
    """The rows that were asked for; UserError where there are none."""
    rows = load_rows(
        options.task,
        options.split,
        data=options.data or settings().data,
        question_field=options.question_field,
        answer_field=options.answer_field,
    )
    return select(rows, options.limit, [part.strip() for part in (options.ids or "").split(",") if part])


def plan_of(options: ScoreOptions) -> RunPlan:
    """The whole plan of a run; raises what `plan_run` does."""
    rows = rows_of(options)
    return plan_run(
        resolve_model(options.model, trust_remote_code=options.trust_remote_code),
        rows,
        prompt=options.prompt,
        folders=template_folders(options.prompts),
        sampling=options.sampling(rows.max_tokens),
        engine=options.engine,
        options=options.engine_options(),
        allow_mismatch=options.allow_mismatch,
        allow_overlap=options.allow_overlap,
    )
