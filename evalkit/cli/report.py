"""`evalkit report`, `evalkit export` and `evalkit import`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli.app import app


@app.command("report")
def report_command(
    runs: Annotated[
        list[str],
        typer.Argument(help="Runs, the base first: folder, name, start of a name, step_50."),
    ],
    output: Annotated[Path, typer.Option(help="The file to write; it must not exist yet.")] = Path(
        "report.html"
    ),
    data: Annotated[
        Path | None, typer.Option(help="Folder with the task's data, for the gold solutions.")
    ] = None,
) -> None:
    """Write one HTML file that shows the runs question by question; it needs no network."""
    from evalkit.report.collect import collect
    from evalkit.report.page import render_page
    from evalkit.report.solutions import gold_solutions
    from evalkit.runs.find import find_run
    from evalkit.settings import settings
    from prompts.errors import UserError
    from prompts.files import refuse_existing, write_new_file

    refuse_existing(output)
    found = [find_run(name, settings().results) for name in runs]
    if len({run.folder.resolve() for run in found}) < len(found):
        raise UserError(f"the same run was given twice: {', '.join(run.name for run in found)}")
    solutions, why_none = gold_solutions(found, data or settings().data)
    content = render_page(collect(found, solutions, why_none)).encode()
    write_new_file(output, content)
    print(f"wrote {output} ({len(content) / 1e6:.1f} MB)", file=sys.stderr)


@app.command("export")
def export_command(
    run: Annotated[str, typer.Argument(help="The run: folder, name, start of a name, step_50.")],
    to: Annotated[
        str,
        typer.Option(help="lm-eval, inspect or hf-card (a folder), parquet (a file).", metavar="FORMAT"),
    ],
    output: Annotated[
        Path | None, typer.Option(help="Where to; it must not exist yet. Default: from the run's name.")
    ] = None,
) -> None:
    """Write a run in the format of another tool."""
    from evalkit.exchange.write import export_run
    from evalkit.runs.find import find_run
    from evalkit.settings import settings

    found = find_run(run, settings().results)
    written = export_run(found, to, output, settings().prompts)
    print(f"wrote {written}", file=sys.stderr)


@app.command("import")
def import_command(
    logs: Annotated[
        list[Path],
        typer.Argument(
            help="Sample logs of lm-evaluation-harness (samples_TASK_DATE.jsonl), folders of them, logs of "
            "inspect (.eval, .json), or what `vf-eval -s` of verifiers saved (outputs/evals/ENV--MODEL/ID)."
        ),
    ],
    filter: Annotated[
        str | None,
        typer.Option(help="Which filter's, scorer's or metric's verdicts to take, where there are several."),
    ] = None,
) -> None:
    """Make result folders from logs of lm-evaluation-harness, inspect or verifiers, for `diff` to pair."""
    from evalkit.exchange.imported import write_run
    from evalkit.exchange.inspect_in import read_inspect
    from evalkit.exchange.lm_eval_in.import_run import read_log
    from evalkit.exchange.lm_eval_in.log import find_logs
    from evalkit.exchange.verifiers_in import find_saved, read_verifiers
    from evalkit.settings import settings

    runs = []
    for given in logs:
        if saved := find_saved(given):
            runs += [read_verifiers(folder, filter) for folder in saved]
        elif given.suffix in (".eval", ".json"):
            runs.append(read_inspect(given, filter))
        else:
            runs += [read_log(path, filter) for path in find_logs(given)]
    for run in runs:
        print(write_run(run, settings().results))
        for note in run.notes:
            print(f"{run.path.name}: {note}", file=sys.stderr)
