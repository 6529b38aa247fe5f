"""The questions behind a difference, with both completions side by side."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.compare.align import Questions
from evalkit.compare.columns import CORRECT, read_texts
from evalkit.compare.diff import LinedUp
from evalkit.compare.unread import unread_questions
from evalkit.records import Record
from evalkit.runs.folder import Run
from evalkit.text import Format, printable, render_grid

Kind = Literal["fixed", "broken", "both-wrong", "unread"]


@dataclass(frozen=True, slots=True)
class Answered:
    """One completion of a question, as it was read."""

    outcome: str
    reason: str
    answer: str | None
    truncated: bool
    text: str


@dataclass(frozen=True, slots=True)
class RowPair:
    """A question with a completion of each run."""

    id: str
    question: str
    gold: str | None
    base: Answered
    new: Answered
    own_id: str | None = None
    """The `id` of the row's source, where that gives one."""

    def as_dict(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "own_id" or value is not None}


@dataclass(frozen=True, slots=True)
class Listing:
    """The first rows of a kind, in the order of their ids, and how many there are."""

    kind: Kind
    total: int
    rows: tuple[RowPair, ...]


def list_rows(lined_up: LinedUp, kind: Kind, limit: int) -> Listing:
    """The questions that were fixed, broken, are wrong in both, or changed where an answer could not be
    read; of two runs that were lined up.

    Of several samples the first is shown that shows the kind: a wrong one of the base and a right
    one of the new run for "fixed", and so on.
    """
    base, new = lined_up.aligned.runs
    shares = base.correct / base.samples, new.correct / new.samples
    chosen = {
        "fixed": shares[1] > shares[0],
        "broken": shares[1] < shares[0],
        "both-wrong": (shares[0] == 0) & (shares[1] == 0),
        "unread": unread_questions(base, new),
    }[kind]
    places = np.flatnonzero(chosen)
    shown = places[:limit]
    left = _records(lined_up.runs[0], base, shown, right=kind == "broken")
    right = _records(lined_up.runs[1], new, shown, right=kind == "fixed")
    pairs = (
        RowPair(a.id, a.question, a.gold, _answered(a), _answered(b), a.own_id or b.own_id)
        for a, b in zip(left, right, strict=True)
    )
    return Listing(kind, len(places), tuple(pairs))


def _records(run: Run, side: Questions, places: NDArray[np.int64], *, right: bool) -> list[Record]:
    """For each place the record of the first sample that is right, or of the first that is wrong."""
    offsets = []
    for place in places:
        start, end = np.searchsorted(side.question, [place, place + 1])
        fits = (side.completions.outcome[start:end] == CORRECT) == right
        offsets.append(int(side.completions.offset[start + int(np.argmax(fits))]))
    return read_texts(run, offsets)


def _answered(record: Record) -> Answered:
    return Answered(
        record.outcome,
        record.reason,
        record.extraction.answer,
        record.truncated,
        record.text,
    )


def render_rows(listing: Listing, names: tuple[str, str], format: Format) -> str:
    """The listing as text; as a table each question stands above its two completions."""
    if format != "table":
        header = (
            "id",
            "question",
            "gold",
            *(["own id"] if any(row.own_id for row in listing.rows) else []),
            *(f"{name} {part}" for name in names for part in ("answer", "text")),
        )
        return render_grid(header, [_cells(row, "own id" in header) for row in listing.rows], format)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    buffer = StringIO()
    console = Console(file=buffer, width=shutil.get_terminal_size((120, 24)).columns)
    console.print(
        f"{listing.kind}: {listing.total:,} questions, {len(listing.rows):,} shown", highlight=False
    )
    for row in listing.rows:
        row_id = f"{row.own_id} ({row.id})" if row.own_id else row.id
        table = Table(title=Text(printable(f"{row.question}\ngold: {row.gold}   id: {row_id}")), expand=True)
        table.title_justify = "left"
        for name, side in zip(names, (row.base, row.new), strict=True):
            read = [repr(side.answer)] if side.answer is not None else []
            facts = ", ".join([*read, side.reason, *(["cut off"] if side.truncated else [])])
            table.add_column(Text(printable(f"{name}: {side.outcome} ({facts})")), ratio=1)
        table.add_row(*(Text(printable(side.text)) for side in (row.base, row.new)))
        console.print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _cells(row: RowPair, with_own: bool) -> Sequence[str]:
    sides = [cell for side in (row.base, row.new) for cell in (side.answer or "", side.text)]
    return [row.id, row.question, row.gold or "", *([row.own_id or ""] if with_own else []), *sides]
