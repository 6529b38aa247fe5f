"""`evalkit score` as a process that is killed, and what must be true of its files afterwards."""

from __future__ import annotations

import os
from pathlib import Path


def lines(folder: Path) -> bytes:
    """The records of a run so far, a last line that is not whole included."""
    path = folder / "run/records.jsonl"
    return path.read_bytes() if path.exists() else b""


def whole_lines(written: bytes) -> bytes:
    return written[: written.rfind(b"\n") + 1]


def group_members(session: int) -> list[int]:
    """Processes that still run in the session that was killed."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            state, _, _, in_session = Path("/proc", number, "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(in_session) == session and state != "Z":
            found.append(int(number))
    return found
