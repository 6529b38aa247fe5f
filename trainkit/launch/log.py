"""verl.log, what verl, Ray and vLLM print: opened to be continued, searched for the reason of a failure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

from prompts.errors import UserError

LOG_PREFIX = re.compile(r"^(\([^)]*pid=\d+[^)]*\) ?)+([A-Z]+ [\d-]+ [\d:]+ \[[^]]*\] ?)?")
"""Who says a line of verl.log: Ray's process, in it vLLM's, and vLLM's own level, time and place."""


def open_log(run: Path) -> IO[bytes]:
    """verl.log, to be continued; UserError where it cannot be."""
    path = run / "verl.log"
    try:
        return path.open("ab")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None


def failure(log: Path, start: int = 0, lines: int = 15, first: bool = False) -> str:
    """The reason that stands in verl's log: its last (or first) error line, then the end of the log.

    `start` is the offset (bytes) where this process began to write.
    """
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - 400_000))
        text = re.sub(r"\x1b\[[0-9;]*m", "", file.read().decode(errors="replace"))
    kept = [LOG_PREFIX.sub("", line).rstrip() for line in text.splitlines()]
    kept = [line for line in kept if line.strip()]
    errors = [line for line in kept if re.match(r"^\s*(\w+\.)*\w*(Error|Exception|Interrupt)\b.*:", line)]
    ours = [line for line in errors if "trainkit: " in line]
    reason = (ours or errors or kept or ["it wrote nothing"])[0 if first else -1].strip()
    tail = "\n".join(f"    {line}" for line in kept[-lines:])
    return f"{reason.split('trainkit: ')[-1]}\n{tail}\n  all of it: {log}"
