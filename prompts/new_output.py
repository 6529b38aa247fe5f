"""What a command writes for other people: a new file or folder, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from prompts.errors import UserError
from prompts.files import write_whole


def refuse_existing(output: Path) -> None:
    """UserError where the path is taken or its folder is missing; call it before any work is done."""
    try:
        taken = output.exists() or output.is_symlink()
    except OSError as error:  # a name that is too long
        raise UserError(f"{output} cannot be written: {error.strerror}") from None
    if taken:
        raise UserError(f"{output} exists; remove it or give another path with --output")
    if not output.parent.is_dir():
        raise UserError(f"{output.parent} is no folder; make it first: mkdir -p {output.parent}")
    if not os.access(output.parent, os.W_OK):
        raise UserError(
            f"{output} cannot be written: no permission in {output.parent}; give another --output"
        )


def write_file(output: Path, content: bytes) -> None:
    """Write a file that must not exist yet. Raises UserError where it does or cannot be written."""
    refuse_existing(output)
    write_whole(output, content)


def write_folder(output: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder that must not exist yet; `contents` maps paths inside it to their bytes."""
    refuse_existing(output)
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        for name, content in contents.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        temporary.rename(output)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise UserError(f"{output} cannot be written: {error.strerror}") from None
