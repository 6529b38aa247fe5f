"""Files of a training run that grow while they are read, and recorded ones, which may be gzipped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from prompts.errors import UserError
from prompts.files import require_plain

Line = dict[str, Any]
"""A line of metrics, under verl's names."""
T = TypeVar("T")
_LARGEST = 1 << 63


def existing(path: Path) -> Path | None:
    """The file, or its gzipped form (recorded runs), or None. UserError for a pipe, which never ends."""
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.exists():
            require_plain(candidate)
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
    """A line of metrics, ours or verl's (whose values stand in `data`).

    Raises ValueError where it is no JSON object of numbers with a step.
    """
    try:
        value = json.loads(line)  # not orjson: it refuses NaN, and a NaN must be seen here
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON ({error})") from None
    if not isinstance(value, dict):
        raise ValueError("is no object")
    if type(value.get("step")) is not int:
        raise ValueError(f"has the step {value.get('step')!r:.40}, not a whole number")
    held = value.get("data")
    for name, number in (held if isinstance(held, dict) else value).items():
        if number is not None and not isinstance(number, int | float):
            raise ValueError(f"says {number!r:.40} for {name}, not a number")
        if isinstance(number, int) and abs(number) > _LARGEST:
            raise ValueError(f"has a number of {len(str(number))} digits for {name}")
    return value
