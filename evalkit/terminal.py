"""What both programs print goes through here: nothing foreign steers a terminal, nothing ends in a traceback.

Most foreign text is made printable where it is put into a message; a path, a name or a warning that was
forgotten there is caught here. Only rich, which draws the bars and the tables, may send control sequences.
"""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from evalkit.text import printable
from prompts.errors import UserError


class GuardedStream:
    """stdout or stderr, through `printable`, and with `?` for what the terminal's encoding does not have."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # so that click, which tries bytes first, sees that this takes text
            raise TypeError(f"text is written here, not {type(text).__name__}")
        caller = sys._getframe(1).f_globals.get("__name__", "")
        drawn = str(caller).partition(".")[0] == "rich" and self._stream.isatty()
        try:
            self._stream.write(text if drawn else printable(text))
        except BrokenPipeError:
            raise
        except OSError as error:
            _drop(error)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self._stream.write(printable(line))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard_streams() -> None:
    """Put the guards in the place of stdout and stderr, once."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, GuardedStream):
            setattr(sys, name, GuardedStream(stream))


def close_output() -> None:
    """Write out what is held back. Raises UserError where stdout cannot take it; a reader may leave."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing is left to say, also not at exit
    except OSError as error:
        _drop(error)


def _drop(error: OSError) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is held back is not tried again at exit
    raise UserError(
        f"what was to be printed cannot be written: {error.strerror}; send it somewhere else"
    ) from None
