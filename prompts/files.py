"""Writing a file so that nobody ever reads half of one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

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
