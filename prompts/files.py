"""Files and folders that nobody ever sees half of: written under another name and then renamed.

The only place that does so. `whole_file` and `whole_folder` are for what is written bit by bit.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from prompts.errors import UserError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Hand out another path in the same folder, and rename what was written there to `path` at the end.

    So `path` is either the old file or the new one, also after a kill or a power cut. Where the block
    raises, the old file stays; nothing is left beside it but by a kill. An OSError becomes a UserError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # it is gone, or never was: no such folder, too long a name
            temporary.unlink()


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, gone at the end unless the block renamed it.

    An OSError in the block becomes a UserError that names `path`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # of a process that had this number and was killed
        temporary.mkdir(parents=True)
        yield temporary
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """As `scratch_folder`, renamed to `path` at the end: it is there whole or not at all.

    Raises UserError where `path` is there already and not an empty folder.
    """
    with scratch_folder(path) as temporary:
        yield temporary
        temporary.rename(path)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the new one. Raises UserError where it cannot."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


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


def write_new_file(output: Path, content: bytes) -> None:
    """Write a file that must not exist yet. Raises UserError where it does or cannot be written."""
    refuse_existing(output)
    write_whole(output, content)


def write_new_folder(output: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder that must not exist yet; `contents` maps paths inside it to their bytes."""
    refuse_existing(output)
    with whole_folder(output) as temporary:
        for name, content in contents.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object; UserError where the file is missing or broken."""
    try:
        value = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} holds {type(value).__name__}, not an object")
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write one JSON object so that the file is either the old one or the new one."""
    write_whole(path, orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
