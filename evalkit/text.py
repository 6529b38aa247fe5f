"""Text for people: foreign text made safe to print, shares as percent and points, grids of cells."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import orjson

Format = Literal["table", "csv", "markdown", "latex"]

_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": "$<$",
        ">": "$>$",
    }
)


_NUMBER = re.compile(r"[+-]?[\d.,]+(e[+-]?\d+)?( ?%)?( points)?( to [+-]?[\d.,]+( ?%)?)?")
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Controls, bidi overrides, zero-width and tag characters, halves of surrogate pairs. The report's script
(evalkit/report/templates/report.js) has the same set."""


def printable(text: object) -> str:
    """Text of a model, a file or another program, safe for a terminal and a page.

    Characters that hide, reorder or steer others stand as their code, as in ⟦U+202E⟧. Line ends and
    tabs stay.
    """
    return HIDDEN.sub(lambda match: f"⟦U+{ord(match[0]):04X}⟧", str(text))


def percent(share: float | None, missing: str = "–") -> str:
    """A share as "12.5 %"; `missing` where there is none."""
    return missing if share is None else f"{points(share)} %"


def points(share: float, *, sign: bool = False) -> str:
    """A share, or a difference of two, in percentage points with one decimal; never "-0.0"."""
    return f"{round(100 * share, 1) + 0.0:{'+' if sign else ''}.1f}"


def interval(low: float, high: float) -> str:
    """Lower and upper bound of a share as "6.5 to 22.8"."""
    return f"{points(low)} to {points(high)}"


def share_text(share: float, bounds: Iterable[float]) -> str:
    """A share with its interval, as "12.5 % [6.5 to 22.8]"."""
    return f"{percent(share)} [{interval(*bounds)}]"


def rough_percent(share: float) -> str:
    """A share as people say it: whole percent, but never 0 % for something, nor 100 % for not all."""
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"


def p_text(p_value: float) -> str:
    """A p-value with as many digits as it deserves."""
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}" if p_value < 0.1 else f"{p_value:.2f}"


def render_grid(header: Sequence[str], rows: Sequence[Sequence[str]], format: Format) -> str:
    """The cells as text without a line end at the end; the first column to the left, others to the right.

    Cells may hold foreign text: they are made printable in every format.
    """
    header, rows = [*map(printable, header)], [[*map(printable, row)] for row in rows]
    if format == "csv":
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows([map(csv_cell, row) for row in (header, *rows)])
        return buffer.getvalue().rstrip("\n")
    if format == "markdown":
        lines = [[markdown_cell(cell) for cell in line] for line in (header, *rows)]
        rule = ["---", *["---:"] * (len(header) - 1)]
        return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))
    if format == "latex":
        body = [f"{' & '.join(latex(cell) for cell in line)} \\\\" for line in (header, *rows)]
        columns = "l" + "r" * (len(header) - 1)
        parts = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule", *body[1:]]
        return "\n".join([*parts, r"\bottomrule", r"\end{tabular}"])
    return _table(header, rows)


def json_text(value: Any) -> str:
    """JSON for people and programs: other scripts as they are, what hides or steers as an escape."""
    try:
        raw = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str).decode()
    except TypeError:  # half a character, or a whole number of more than 64 bits
        raw = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return HIDDEN.sub(lambda match: json.dumps(match[0])[1:-1] if match[0] != "\x7f" else "\\u007f", raw)


def csv_cell(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; numbers stay as they are."""
    formula = cell[:1] in ("=", "+", "-", "@", "\t") and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if formula else cell


def markdown_cell(cell: str) -> str:
    """A cell of a table in Markdown: one line, without raw HTML, links or images of its own."""
    cell = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", cell)
    return re.sub(r"([|\[\]])", r"\\\1", cell).replace("\r", " ").replace("\n", "<br>")


def latex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return text.translate(_LATEX)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be, so that a pipe gets the same text as a terminal."""
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()

    return "\n".join([line(header), "  ".join("─" * width for width in widths), *map(line, rows)])
