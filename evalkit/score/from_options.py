"""From what was asked for to a plan: rows, model, templates and settings, found once for all commands."""

from __future__ import annotations

import sys
from dataclasses import replace

from evalkit.models.resolve import resolve_model
from evalkit.records import Sampling
from evalkit.score.mixture import join_plans
from evalkit.score.options import ScoreOptions
from evalkit.score.plan import RunPlan, plan_run, select
from evalkit.settings import settings, template_folders
from evalkit.tasks.load import load_rows
from evalkit.tasks.mixture import parse_weight
from evalkit.tasks.sources import is_file
from evalkit.tasks.task import Task
from prompts.errors import UserError


def rows_of(options: ScoreOptions) -> Task:
    """The rows of the one task that was asked for; UserError where there are none or several are named."""
    if len(options.task) > 1:
        raise UserError(f"this command takes one --task, {len(options.task)} are named; run it once for each")
    return _rows(options, options.task[0])


def task_names(asked: str) -> list[str]:
    """The tasks of one --task: names may be given with commas between them; a file's path is one."""
    names = [name.strip() for name in asked.split(",") if name.strip()]
    return [asked] if is_file(asked) or not names else names


def _rows(options: ScoreOptions, asked: str) -> Task:
    name, weight = parse_weight(asked)
    if weight != 1:
        print(f"{asked}: weights are of training; every row is scored once", file=sys.stderr)
    mixed = len(options.task) > 1 and not is_file(name)
    rows = load_rows(
        name,
        options.split if not is_file(name) or len(options.task) == 1 else None,
        data=options.data or settings().data,
        question_field=None if mixed else options.question_field,
        answer_field=None if mixed else options.answer_field,
    )
    return select(rows, options.limit, [part.strip() for part in (options.ids or "").split(",") if part])


def plan_of(options: ScoreOptions, model: str | None = None) -> RunPlan:
    """The whole plan of a run, of several tasks where several are named; raises what `plan_run` does.

    `model` is one of those that the options name; unless given they name one.
    """
    if options.thinking_tokens is not None and options.thinking_tokens < 1:
        raise UserError(f"--thinking-tokens {options.thinking_tokens}: at least 1, or leave it out")
    options = replace(options, task=[name for asked in options.task for name in task_names(asked)])
    tasks = [_rows(options, asked) for asked in options.task]
    resolved = resolve_model(model or options.one_model, trust_remote_code=options.trust_remote_code)
    _check_length(options.max_tokens, options.max_model_len or resolved.max_length, resolved.name)
    return join_plans(
        [
            plan_run(
                resolved,
                rows,
                prompt=options.prompt,
                folders=template_folders(options.prompts),
                sampling=_sampling(options, rows, max(task.max_tokens for task in tasks)),
                engine=options.engine,
                options=options.engine_options(),
                allow_mismatch=options.allow_mismatch,
                allow_overlap=options.allow_overlap,
                thinking_tokens=options.thinking_tokens,
            )
            for rows in tasks
        ]
    )


def _check_length(asked: int | None, positions: int | None, model: str) -> None:
    """UserError where the response limit that was asked for leaves no position for a prompt."""
    if asked is not None and positions is not None and asked >= positions:
        raise UserError(
            f"--max-tokens {asked}: {model} has {positions} positions for prompt and completion together; "
            f"--max-tokens {max(1, positions // 2)} leaves half of them to the prompt"
        )


def _sampling(options: ScoreOptions, rows: Task, max_tokens: int) -> Sampling:
    """What was asked for; a file whose rows were repeated on purpose (avg@32) asks for so many samples."""
    sampling = options.sampling(max_tokens)
    if rows.repeats == 1 or sampling.samples > 1:
        return sampling
    sampled = sampling.temperature > 0
    how = f"{rows.repeats} samples of each" if sampled else "greedy, each is asked once"
    print(
        f"{rows.name}: each of {len(rows.rows):,} questions stands there {rows.repeats} times; {how}",
        file=sys.stderr,
    )
    return replace(sampling, samples=rows.repeats) if sampled else sampling
