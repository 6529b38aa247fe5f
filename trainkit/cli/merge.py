"""`trainkit merge`: a checkpoint of a training run as a Hugging Face folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from trainkit.cli.app import app


@app.command("merge")
def merge_command(
    step: Annotated[str, typer.Argument(help="A global_step_N folder, or run:step_50.")],
    output: Annotated[
        Path | None, typer.Option("--output", help="New folder; one in the cache by default.")
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the code that a model folder brings.")
    ] = False,
) -> None:
    """Merge the shards of a checkpoint, verify weights, tokenizer and chat template, print the folder."""
    from evalkit.models.checkpoint import merge_into, open_checkpoint, prepare_checkpoint
    from evalkit.models.resolve import checkpoint_path
    from prompts.errors import UserError
    from prompts.files import read_json

    checkpoint = open_checkpoint(checkpoint_path(step) or Path(step))
    if output is None:
        folder = prepare_checkpoint(checkpoint.folder, trust_remote_code=trust_remote_code)
    else:
        folder = output
        merge_into(checkpoint, folder, trust_remote_code=trust_remote_code)
    try:
        lock = _held_against_lock(folder, checkpoint.name, trust_remote_code)
    except UserError:
        if output is not None:
            shutil.rmtree(output)
        raise
    report = read_json(folder / "merge.json")
    moved = f"{report['moved']} moved from {report['base']}" if report["base"] else "base not at hand"
    print(
        f"{checkpoint.name}: {report['tensors']} tensors from {report['ranks']} ranks, {report['dtype']}, "
        f"equal to the shards; {moved}; {lock}",
        file=sys.stderr,
    )
    print(folder)


def _held_against_lock(folder: Path, name: str, trust_remote_code: bool) -> str:
    """Compare tokenizer, chat template and end tokens with the lock in the folder (Mismatch)."""
    from evalkit.locks.check import check_model
    from evalkit.settings import settings
    from prompts.lock import read_lock

    if read_lock(folder) is None:
        return "no prompt lock (`evalkit prompts adopt` writes one)"
    lock = check_model(folder, name=name, extra=settings().prompts, trust_remote_code=trust_remote_code)
    return f"read as locked [{lock.fingerprint}]"
