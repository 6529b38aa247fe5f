"""What git says of a folder; the one place that starts it."""

from __future__ import annotations

import subprocess
from pathlib import Path

SECONDS = 10


def ask_git(folder: Path, *arguments: str) -> str | None:
    """The output of a git command in a folder; None where it fails, takes over 10 s or is not there."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=True)
        return done.stdout.decode("utf-8")
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
