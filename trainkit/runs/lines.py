"""Files of a training run that grow while they are read, and recorded ones, which may be gzipped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from prompts.errors import UserError

Line = dict[str, Any]
"""A line of metrics, under verl's names."""
T = TypeVar("T")


def existing(path: Path) -> Path | None:
    """The file, or its gzipped form (recorded runs), or None."""
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.exists():
            return candidate
    return None


def open_bytes(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


class GrowingLines(Generic[T]):
    """A JSONL file that somebody else appends to: each call gives the lines that are new and whole.

    `decode` reads a line; it raises ValueError where the line is none of its kind.
    """

    def __init__(self, path: Path, decode: Callable[[bytes], T]) -> None:
        self._path, self._decode = path, decode
        self._offset = 0

    def new(self) -> Iterator[T]:
        """Yield what came since the last call; a torn last line waits for its end.

        Raises UserError where a whole line cannot be read.
        """
        path = existing(self._path)
        if path is None:
            return
        with open_bytes(path) as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                try:
                    value = self._decode(line)
                except ValueError as error:
                    raise UserError(f"{path} holds a line that {error}: {line[:60]!r}") from None
                yield value


def metrics_line(line: bytes) -> Line:
    """A line of metrics. Raises ValueError where it is no JSON object."""
    try:
        value = json.loads(line)  # not orjson: it refuses NaN, and a NaN must be seen here
    except ValueError as error:
        raise ValueError(f"is no JSON ({error})") from None
    if not isinstance(value, dict):
        raise ValueError("is no object")
    return value
