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
    """stdout or stderr, through `printable`, and with `?` for what the terminal's encoding does not have.

    Of a stderr that takes nothing any more (a log on a full disk) nobody can be told: it ends no work.
    """

    def __init__(self, stream: TextIO, descriptor: int) -> None:
        self._stream, self._descriptor = stream, descriptor
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # so that click, which tries bytes first, sees that this takes text
            raise TypeError(f"text is written here, not {type(text).__name__}")
        caller = sys._getframe(1).f_globals.get("__name__", "")
        drawn = str(caller).partition(".")[0] == "rich" and self._stream.isatty()
        try:
            self._stream.write(text if drawn else printable(text))
        except OSError as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def _drop(self, error: OSError) -> None:
        """Send what is held back and all that follows nowhere; UserError where stdout could not take it."""
        if isinstance(error, BrokenPipeError) and self._descriptor == 1:
            raise error
        _to_nowhere(self._descriptor)
        if self._descriptor == 1:
            raise UserError(
                f"what was to be printed cannot be written: {error.strerror}; send it somewhere else"
            ) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard_streams() -> None:
    """Put the guards in the place of stdout and stderr, once.

    A stream that the caller has closed goes nowhere: else the next file that is opened gets its number, and
    with it what is printed.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            _to_nowhere(descriptor)
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name) or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
        if not isinstance(stream, GuardedStream):
            setattr(sys, name, GuardedStream(stream, descriptor))


def close_output() -> None:
    """Write out what is held back. Raises UserError where stdout cannot take it; a reader may leave."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(1)  # nothing is left to say, also not at exit


def _to_nowhere(descriptor: int) -> None:
    """Let a descriptor write to, or read from, the null device."""
    null = os.open(os.devnull, os.O_RDWR)
    if null == descriptor:
        os.set_inheritable(null, True)
        return
    os.dup2(null, descriptor)
    os.close(null)
