"""`trainkit audit`: how much of a run's gradient rests on verdicts that another rule disputes."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from trainkit.cli.app import app


@app.command("audit")
def audit_command(
    run: Annotated[str, typer.Argument(help="Folder of the training run, its name, or the start of it.")],
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", help="Rule that judges again; the newest of its own and lenient by default."),
    ] = None,
    n: Annotated[int, typer.Option("-n", help="How many answers to show.")] = 5,
    format: Annotated[Literal["table", "json"], typer.Option(help="How to print it.")] = "table",
) -> None:
    """Sum the absolute advantage of answers whose verdict another rule disputes, step by step."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from evalkit.text import printable, rough_percent
    from trainkit.diagnose.audit import audit
    from trainkit.runs.folder import TrainingRun
    from trainkit.watch.watch import find_training_run

    training = TrainingRun(find_training_run(run))
    steps = audit(training, rule or [])
    every = sorted((entry for step in steps for entry in step.disputed), key=lambda entry: -entry.advantage)
    if format == "json":
        import json

        print(
            json.dumps(
                [
                    {
                        "step": step.step,
                        "advantage": step.total,
                        "credited": step.share(True),
                        "denied": step.share(False),
                        "disputed": [
                            {
                                "id": entry.rollout.id,
                                "sample": entry.rollout.sample,
                                "gold": entry.rollout.gold,
                                "text": entry.rollout.text,
                                "outcome": entry.rollout.outcome,
                                "rule": entry.rule,
                                "their_outcome": entry.outcome,
                                "advantage": entry.advantage,
                            }
                            for entry in step.disputed
                        ],
                    }
                    for step in steps
                ],
                indent=2,
            )
        )
        return
    console = Console()
    table = Table("step", "absolute advantage", "credited in dispute", "denied in dispute", "answers")
    for step in steps:
        shares = [rough_percent(step.share(credited)) for credited in (True, False)]
        table.add_row(str(step.step), f"{step.total:.2f}", *shares, str(len(step.disputed)))
    console.print(table)
    for entry in every[:n]:
        verdicts = f"{entry.rollout.outcome} in the run, {entry.outcome} by {entry.rule}: {entry.reason}"
        head = f"step {entry.rollout.step}, row {entry.rollout.id}, gold {entry.rollout.gold}: "
        console.print(Text(printable(head + verdicts), style="bold"))
        console.print(Text(printable(entry.rollout.text), style="dim"))
    if not every:
        console.print("No verdict is disputed.")
