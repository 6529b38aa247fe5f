"""The gain of each task, where the runs hold several: the last run against the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.compare.diff import line_up
from evalkit.compare.suite.by_task import suite_of
from evalkit.compare.suite.table import suite_cells, suite_notes
from evalkit.runs.folder import Run
from prompts.errors import UserError


@dataclass(frozen=True, kw_only=True)
class GainByTask:
    """A table: its header, a line a task and one for the macro average, and what is to be known of them."""

    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def gain_by_task(runs: Sequence[Run], keys: str) -> GainByTask | None:
    """None for one run, for runs of one task, and for runs that may not be compared."""
    if len(runs) < 2:
        return None
    try:
        suite = suite_of(line_up([runs[0], runs[-1]]))
    except UserError:
        return None
    if suite is None:
        return None
    header, lines = suite_cells(suite, (keys[0], keys[-1]))
    return GainByTask(header=header, lines=tuple(lines), notes=tuple(suite_notes(suite)))
