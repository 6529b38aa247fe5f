"""`trainkit doctor`: why a training run does not do what was hoped, most likely cause first."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from evalkit.text import json_text
from trainkit.cli.app import app


@app.command("doctor")
def doctor_command(
    run: Annotated[str, typer.Argument(help="Folder of the training run, its name, or the start of it.")],
    format: Annotated[Literal["table", "json"], typer.Option(help="How to print it.")] = "table",
) -> None:
    """Read logs and rollouts; say what went wrong, with the evidence and the option to turn."""
    from trainkit.diagnose.doctor import diagnose
    from trainkit.launch.leftover import leftovers
    from trainkit.runs.folder import TrainingRun
    from trainkit.watch.watch import find_training_run

    folder = TrainingRun(find_training_run(run))
    findings = diagnose(folder)
    if left := leftovers(folder.folder):
        print(
            f"a killed start left {', '.join(map(str, left))} running: the next start ends them, or"
            f" now: kill {' '.join(str(process.pid) for process in left)}",
            file=sys.stderr,
        )
    if missing := folder.missing():
        print(f"not there, so not looked at: {', '.join(missing)}", file=sys.stderr)
    if format == "json":
        print(json_text([finding.as_dict() for finding in findings]))
        return
    from rich.console import Console
    from rich.text import Text

    from evalkit.text import printable

    console = Console()
    if not findings:
        console.print("Nothing is wrong as far as the run's files show.")
    for number, finding in enumerate(findings, 1):
        style = "bold" if number == 1 else ""
        console.print(Text.assemble((f"{number}. {finding.sentence}", style)))
        console.print(Text(f"   {printable(finding.evidence)}", style="dim"))
        console.print(Text(f"   {finding.option}"))
