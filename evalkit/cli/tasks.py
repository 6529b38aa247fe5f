"""`evalkit tasks list | show | check`."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli import options
from evalkit.cli.app import app
from evalkit.text import json_text

tasks_app = typer.Typer(help="Tasks: what there is, what their rows look like.", no_args_is_help=True)
app.add_typer(tasks_app, name="tasks")

TaskName = Annotated[str, typer.Argument(help="gsm8k, sums, rg:NAME, math-500, aime, or a file.")]


@tasks_app.command("list")
def list_command(format: options.Format = "table") -> None:
    """List the tasks that have a name."""
    from evalkit.tasks.listing import KEYS, listing
    from evalkit.text import render_grid

    rows = listing()
    if format == "json":
        print(json_text(rows))
    else:
        print(render_grid(KEYS, [[str(row[key]) for key in KEYS] for row in rows], format))


@tasks_app.command("show")
def show_command(
    task: TaskName,
    split: options.Split = None,
    data: options.Data = None,
    question_field: options.QuestionField = None,
    answer_field: options.AnswerField = None,
    n: options.Number = 5,
    format: options.TableOrJson = "table",
) -> None:
    """Show the first rows of a task, and how many cannot be scored and why."""
    from collections import Counter

    from evalkit.settings import settings
    from evalkit.tasks.load import load_rows
    from evalkit.text import printable
    from prompts.errors import UserError

    if n < 1:
        raise UserError(f"-n {n}: at least 1 row")
    loaded = load_rows(
        task, split, data=data or settings().data, question_field=question_field, answer_field=answer_field
    )
    if format == "json":
        shown = [{"id": row.id, "question": row.question, "gold": row.gold} for row in loaded.rows[:n]]
        print(json_text(shown))
        return
    print(f"{loaded.name}, split {loaded.split}: {len(loaded.rows):,} rows, prompt {loaded.template}")
    if loaded.repeats > 1:
        print(
            f"{len(loaded.rows) * loaded.repeats:,} rows of the file are {len(loaded.rows):,} questions x "
            f"{loaded.repeats} samples; score them so: --samples {loaded.repeats} --temperature 1.0"
        )
    problems = Counter(
        "duplicate" if row.problem.startswith("duplicate of ") else row.problem
        for row in loaded.rows
        if row.problem
    )
    for problem, count in problems.most_common():
        print(f"{count:,} rows will be unscored: {problem}")
    for row in loaded.rows[:n]:
        print(f"\n{row.id}  gold {printable(str(row.gold))}\n{printable(row.question)}")


@tasks_app.command("check")
def check_command(
    task: TaskName,
    split: options.Split = None,
    data: options.Data = None,
    question_field: options.QuestionField = None,
    answer_field: options.AnswerField = None,
    format: options.TableOrJson = "table",
) -> None:
    """Write every gold, and its neighbours, as a model would under each template, and score them."""
    from dataclasses import asdict

    from evalkit.grade.check_golds import check_golds
    from evalkit.settings import settings
    from evalkit.tasks.load import load_rows
    from evalkit.text import printable
    from prompts.errors import Failed
    from prompts.registry import get_template, load_templates

    known = load_templates(settings().prompts)
    loaded = load_rows(
        task, split, data=data or settings().data, question_field=question_field, answer_field=answer_field
    )
    serving = [template for template in known.values() if template.serves(loaded.name)]
    report = check_golds(loaded.rows, serving or [get_template(loaded.template, settings().prompts)])
    if format == "json":
        print(json_text(asdict(report)))
    else:
        print(
            f"{loaded.name}, split {loaded.split}: {report.rows:,} golds under {', '.join(report.templates)}"
        )
        print(f"{report.texts:,} texts scored, {len(report.failures):,} otherwise than they had to be")
        if report.unscored:
            print(f"{report.unscored:,} pairs of row and template left out: the rule cannot score the gold")
        for found in report.problems:
            print(f"{found.rows:,} rows: {printable(found.problem)} (the first is {found.first})")
        for failure in report.failures[:10]:
            print(
                f"{failure.row} {failure.template} {failure.rule}: {printable(failure.text)!r} "
                f"is {failure.outcome}, not {failure.expected}"
            )
    if report.refused:
        raise Failed(f"{report.refused:,} of {report.rows:,} golds are there and cannot be scored")
    if report.failures:
        raise Failed(f"{len(report.failures):,} of {report.texts:,} texts are scored wrongly")
