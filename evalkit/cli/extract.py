"""`evalkit extract | compare-rules`: read answers without a model."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from evalkit.cli import options
from evalkit.cli.app import app
from evalkit.settings import template_folders
from evalkit.text import json_text


@app.command("extract")
def extract_command(
    input: Annotated[
        str | None, typer.Argument(help="JSONL with id, text and perhaps gold; - for standard input.")
    ] = None,
    rule: Annotated[str, typer.Option(help="Extraction rule, as boxed or boxed@1.")] = "lenient",
    output: Annotated[str, typer.Option(help="JSONL to write; - for standard output.")] = "-",
    explain: Annotated[str | None, typer.Option(help="Show how this text is read.", metavar="TEXT")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Read as completions of this model, whose prompt may open a thinking block."),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="With --model: its prompt template, unless its lock names it.")
    ] = None,
    prompts: options.Prompts = None,
) -> None:
    """Read the answer of every text of a file, and score it where there is a gold."""
    from prompts.errors import UserError

    if (input is None) == (explain is None):
        raise UserError(
            "give either a file of completions or one text: evalkit extract INPUT | --explain TEXT"
        )
    thinking = None
    if model is not None:
        from evalkit.score.prompt_view import thinking_of

        thinking = thinking_of(model, prompt, template_folders(prompts))
        if thinking and thinking["special"]:
            print(
                f"warning: {model} marks its thinking by special tokens ({', '.join(thinking['special'])}); "
                "texts that were stored without them are read as if they held none",
                file=sys.stderr,
            )
    if explain is not None:
        from rich.console import Console

        from evalkit.runs.explain_view import print_explanation

        print_explanation(explain, rule, Console(), thinking)
    elif input is not None:
        from evalkit.grade.extract_file import extract_file

        extract_file(input, rule, output, thinking)


@app.command("compare-rules")
def compare_rules_command(
    runs: Annotated[list[str], typer.Argument(help="Runs: folder, name, start of a name, or step_50.")],
    rules: Annotated[
        str | None, typer.Option(help="Rules to compare, split by commas; all if not given.")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="How many rows to show on which rules disagree.")] = 5,
    format: options.Format = "table",
) -> None:
    """Read the same completions under every rule, and show where the rules disagree."""
    from evalkit.extract.rules import RULES
    from evalkit.runs.compare_rules import compare_rules
    from evalkit.runs.compare_rules_table import render_comparison
    from evalkit.runs.find import find_run
    from evalkit.settings import settings

    names = [name.strip() for name in rules.split(",")] if rules else list(RULES)
    compared = [compare_rules(find_run(run, settings().results), names) for run in runs]
    if format == "json":
        print(json_text([one.as_dict() for one in compared]))
        return
    for one in compared:
        print(render_comparison(one, format, n))
