"""The result as text to paste: into a pull request (Markdown), into a paper (LaTeX)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.text import latex, render_grid

METHODS = (
    "Intervals hold 95 %: Wilson's for one run, Tango's (1998) score interval for paired differences; "
    "p is from McNemar's exact test"
)
ADJUSTED = ", adjusted for {tests} tests (Holm, 1979)"


@dataclass(frozen=True, kw_only=True)
class Paste:
    """One text: `name` says where it belongs, `id` is its place on the page."""

    id: str
    name: str
    text: str


def pastes(
    sentence: str, columns: Sequence[str], rows: Sequence[Sequence[str]], what: str, tests: int
) -> tuple[Paste, ...]:
    """The sentence, the table and the methods, twice. `what` names task, prompt and sampling."""
    methods = METHODS + (ADJUSTED.format(tests=tests) if tests > 1 else "") + "."
    markdown = [f"**{sentence}**", "", render_grid(columns, rows, "markdown"), "", f"{what}. {methods}"]
    lines = [
        r"\begin{table}",
        r"\begin{tabular}{l" + "r" * (len(columns) - 1) + "}",
        " & ".join(latex(head) for head in columns) + r" \\ \hline",
        *(" & ".join(latex(cell) for cell in row) + r" \\" for row in rows),
        r"\end{tabular}",
        rf"\caption{{{latex(sentence)} {latex(what)}. {latex(methods)}}}",
        r"\end{table}",
    ]
    return (
        Paste(id="paste-markdown", name="for a pull request (Markdown)", text="\n".join(markdown)),
        Paste(id="paste-latex", name="for a paper (LaTeX)", text="\n".join(lines)),
    )
