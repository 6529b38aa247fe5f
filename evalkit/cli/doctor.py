"""`evalkit doctor`: is everything here, and which command adds what is missing."""

from __future__ import annotations

from pathlib import Path

from evalkit.cli import options
from evalkit.cli.app import app
from evalkit.text import json_text


@app.command("doctor")
def doctor_command(format: options.TableOrJson = "table") -> None:
    """Show what is installed, the GPUs and their free memory, and the command that adds what is missing."""
    from evalkit.machine import read_environment

    environment = read_environment(Path.cwd())
    if format == "json":
        print(json_text(environment.as_dict()))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"Python {environment.python} on {environment.machine}", highlight=False)
    table = Table("package", "version", "for", "to add it")
    for package in environment.packages:
        missing = package.version is None
        table.add_row(
            package.name,
            "[red]missing[/red]" if missing else package.version,
            package.purpose,
            package.command.replace("[", "\\[") if missing else "",
        )
    console.print(table)
    for gpu in environment.gpus:
        console.print(
            f"GPU {gpu.index}: {gpu.name}, {gpu.free_mib / 1024:.1f} of {gpu.total_mib / 1024:.1f} GiB free",
            highlight=False,
        )
    for sentence in environment.sentences:
        console.print(sentence, highlight=False, markup=False)
