"""`evalkit check`: is a checkpoint still read as it was trained? No model is run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import options
from evalkit.cli.app import app
from evalkit.settings import template_folders


@app.command("check")
def check_command(
    model: Annotated[
        str, typer.Argument(help="Model folder, global_step_N, run:step_50, or a model's name.")
    ],
    data: Annotated[Path | None, typer.Option(help="Training parquet to compare row by row as well.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Compare under this template instead of the lock's.")
    ] = None,
    prompts: options.Prompts = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Compare tokenizer, chat template, end tokens, template and data of a checkpoint with its prompt lock.

    Exit code 0 where all is equal, 3 with a diff where it is not, 2 where there is no lock.
    """
    from evalkit.locks.check import check_all, verified_template
    from evalkit.locks.notes import reading_warnings
    from evalkit.models.resolve import model_folder
    from prompts.tokens import load_tokenizer

    lock = check_all(
        model,
        data=data,
        prompt=prompt,
        extra=template_folders(prompts),
        trust_remote_code=trust_remote_code,
    )
    print(f"{model}: read as locked ({lock.template}, rule {lock.rule}, fingerprint {lock.fingerprint})")
    folder = model_folder(model)[0]
    tokenizer = load_tokenizer(folder, trust_remote_code)
    template = verified_template(lock.template, template_folders(prompts), [folder], folder)
    for warning in reading_warnings(template, tokenizer, folder, lock.reading["stop_ids"]):
        print(f"warning: {warning}", file=sys.stderr)
    asked = verified_template(prompt, template_folders(prompts), [folder], folder).ref if prompt else None
    if asked and asked != lock.template:
        print(f"note: {asked} and {lock.template} are the same text under two names", file=sys.stderr)
    if data is not None:
        print(f"{data}: {lock.data['rows']:,} rows as locked")
