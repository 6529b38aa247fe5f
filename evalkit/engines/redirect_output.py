"""Keep an engine's own output off the terminal: into a file, where it can be looked up."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ERROR_LINE = re.compile(r"^[\w.]+(?:Error|Exception): (.+)$", re.MULTILINE)


def log_to(log: Path | None) -> None:
    """Send vLLM's log into the file, also what it says while generating."""
    logger = logging.getLogger("vllm")
    handler = logging.FileHandler(log, delay=True) if log else logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))  # what took so long?
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    atexit.register(_silence_exit)


def size(log: Path | None) -> int:
    """Bytes that the file has by now."""
    return log.stat().st_size if log is not None and log.exists() else 0


def last_error(log: Path | None, start: int = 0) -> str | None:
    """The last exception that a traceback in the file ends with, after `start` bytes; None without one."""
    if log is None or not log.exists():
        return None
    found = ERROR_LINE.findall(log.read_bytes()[start:].decode("utf-8", errors="replace"))
    return found[-1].strip() if found else None


def _silence_exit() -> None:
    """Bindings of vLLM's libraries report leaks on stderr when Python ends; nobody can act on that."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def output_goes_to(log: Path | None) -> None:
    """Send what this process prints from now on to the end of the file, below Python too."""
    with open(log or os.devnull, "ab") as target:
        os.dup2(target.fileno(), 1)
        os.dup2(target.fileno(), 2)


@contextlib.contextmanager
def output_to(log: Path | None) -> Iterator[None]:
    """Send what this process and its children print to the file, below Python too."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    output_goes_to(log)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor in enumerate(saved, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)
