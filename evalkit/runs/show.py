"""Rows of a run for a person: question, completion with the span that was read, gold, verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from evalkit.records import OUTCOMES, Record
from evalkit.runs.folder import Run
from evalkit.runs.thinking import answer_part
from evalkit.text import printable
from prompts.errors import UserError

STYLES = {"correct": "green", "wrong": "red", "no_answer": "yellow", "unscored": "magenta"}


def choose(
    run: Run,
    *,
    outcome: str | None = None,
    reason: str | None = None,
    row_id: str | None = None,
    n: int | None = None,
) -> list[Record]:
    """Records with this outcome, this text in their reason and this start of an id, or this id of the
    source; the first `n`.

    Raises UserError where nothing fits, with what there is.
    """
    if outcome is not None and outcome not in OUTCOMES:
        raise UserError(f"no outcome {outcome!r}; there are {', '.join(OUTCOMES)}")
    if n is not None and n < 1:
        raise UserError(f"-n {n}: at least 1 row")
    found = [
        record
        for record in run.records
        if outcome in (None, record.outcome)
        and (reason is None or reason in record.reason)
        and (row_id is None or record.id.startswith(row_id) or record.own_id == row_id)
    ]
    if not found:
        counts = ", ".join(f"{count} {name}" for name, count in (run.manifest.counts or {}).items())
        reasons = sorted({record.reason for record in run.records if outcome in (None, record.outcome)})
        raise UserError(
            f"{run.name}: no such row; it holds {counts}; reasons: {'; '.join(reasons[:8]) or 'none'}"
        )
    return found[:n]


def print_records(records: Sequence[Record], reading: Mapping[str, Any], console: Console) -> None:
    """Question and completion side by side, the answer's span marked, gold and verdict below.

    Thinking, as the `reading` of the run's lock divides it, is dim.
    """
    for record in records:
        console.print(_panel(record, answer_part(record, reading)))


def _panel(record: Record, part: tuple[int, int] | None) -> RenderableType:
    sides = Table.grid(padding=(0, 2), expand=True)
    sides.add_column(ratio=2)
    sides.add_column(ratio=3)
    sides.add_row(Text("question", style="bold"), Text("completion", style="bold"))
    sides.add_row(Text(printable(record.question)), marked(record.text, record.extraction.span, part))
    extraction, colour = record.extraction, STYLES[record.outcome]
    verdict = Text.assemble(
        (record.outcome, f"bold {colour}"),
        f": {printable(record.reason)}\n",
        ("read ", "bold"),
        f"{printable(str(extraction.answer))} by {extraction.rule}",
        ("   gold ", "bold"),
        printable(str(record.gold)),
        ("   lenient ", "bold"),
        f"{printable(str(record.lenient.answer))} ({record.lenient_outcome})",
    )
    tokens = f"{record.completion_tokens or '–'} tokens{', truncated' if record.truncated else ''}"
    if part is not None:
        tokens += f", {record.thinking_tokens} of thinking" if record.thinking_tokens else ", with thinking"
    title = Text(printable(f"{record.name} sample {record.sample}, {tokens}"))
    return Panel(Group(sides, Text(), verdict), title=title, title_align="left", border_style=colour)


def marked(text: str, span: Sequence[int] | None, part: tuple[int, int] | None = None) -> Text:
    """The text with the span set in reverse video; brackets show it where there are no colours.

    What lies outside `part` is dim, and bars show it where there are no colours.
    """
    lo, hi = part or (0, len(text))
    start, end = span or (hi, hi)
    lo, hi = min(lo, start), max(hi, end)
    shown = Text()
    if lo:
        shown.append(f"{printable(text[:lo])}│", "dim")
    shown.append(printable(text[lo:start]))
    if span is not None:
        shown.append(f"⟦{printable(text[start:end])}⟧", "reverse bold")
    shown.append(printable(text[end:hi]))
    if hi < len(text):
        shown.append(f"│{printable(text[hi:])}", "dim")
    return shown
