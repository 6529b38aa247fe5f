"""A line diff of two texts for people."""

from __future__ import annotations

import difflib


def line_diff(before: str, after: str, names: tuple[str, str]) -> str:
    """The lines that differ with two around them, indented; empty where all are equal.

    Lines with spaces at their ends or invisible characters stand in quotes.
    """
    lines = difflib.unified_diff(_visible(before), _visible(after), *names, lineterm="", n=2)
    return "\n".join(f"  {line}" for line in lines if not line.startswith("@@"))


def _visible(text: str) -> list[str]:
    return [line if line == line.strip() and line.isprintable() else repr(line) for line in text.split("\n")]
