"""Whole files: read as JSON, and written so that nobody ever reads half of one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import orjson

from prompts.errors import UserError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the new one, also after a kill or a power cut.

    Raises UserError where it cannot be written. Nothing is left beside it but by a kill.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):  # it is gone, or never was: no such folder, too long a name
            temporary.unlink()


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
