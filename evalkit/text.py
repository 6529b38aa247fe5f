"""A grid of text cells as table, csv, markdown or latex."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Literal

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


def render_grid(header: Sequence[str], rows: Sequence[Sequence[str]], format: Format) -> str:
    """The cells as text without a line end at the end; the first column to the left, others to the right."""
    if format == "csv":
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows([header, *rows])
        return buffer.getvalue().rstrip("\n")
    if format == "markdown":
        lines = [
            [cell.replace("|", r"\|").replace("\n", "<br>") for cell in line] for line in (header, *rows)
        ]
        rule = ["---", *["---:"] * (len(header) - 1)]
        return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))
    if format == "latex":
        body = [f"{' & '.join(latex(cell) for cell in line)} \\\\" for line in (header, *rows)]
        columns = "l" + "r" * (len(header) - 1)
        parts = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule", *body[1:]]
        return "\n".join([*parts, r"\bottomrule", r"\end{tabular}"])
    return _table(header, rows)


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
