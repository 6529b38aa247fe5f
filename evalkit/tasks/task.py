"""A task: a named data set, one split of it, and its default prompt template."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from evalkit.records import Row
from prompts.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Task:
    """The rows of one split, in the order of their source.

    `template` is the default template's ref, `max_tokens` the default response limit.
    """

    name: str
    split: str
    rows: tuple[Row, ...]
    template: str
    max_tokens: int
    named: bool = True
    """False for a file of the user's, which belongs to no known task."""
    repeats: int = 1
    """How often each row stood in the file, where all did equally often: samples of one question."""
    source: Path | None = None
    """The file it was read from, whose prompt lock may carry the template; None for a known task."""
    gold_field: str | None = None
    """The field of the rows that holds the gold: no prompt may show it."""


def check_split(task: str, split: str, known: tuple[str, ...]) -> None:
    """UserError where a split does not exist."""
    if split not in known:
        near = difflib.get_close_matches(split, known, n=1) or [known[0]]
        raise UserError(f"{task} has no split {split!r}, only {', '.join(known)}; try --split {near[0]}")
