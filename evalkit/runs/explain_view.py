"""Print how a text is read, with the span of the answer highlighted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from evalkit.grade.explain import explain
from evalkit.text import printable


def print_explanation(
    text: str, rule: str, console: Console, thinking: Mapping[str, Any] | None = None
) -> None:
    """What was left out, the candidates, the winner and why. Raises UserError for an unknown rule.

    `thinking` is what a lock says of the model that wrote the text.
    """
    explanation = explain(text, rule, thinking)
    lo, hi = explanation.region
    shown = Text(printable(text[:lo]), "dim")
    span = explanation.extraction.span
    if span is None or not lo <= span[0] <= span[1] <= hi:
        shown.append(printable(text[lo:hi]), "not dim")
    else:
        shown.append(printable(text[lo : span[0]]), "not dim")
        shown.append(printable(text[span[0] : span[1]]), "not dim bold reverse")
        shown.append(printable(text[span[1] : hi]), "not dim")
    shown.append(printable(text[hi:]), "dim")
    console.print(shown, soft_wrap=True)
    console.print()
    if (lo, hi) != (0, len(text)):
        console.print(f"read: characters {lo} to {hi} (thinking, an echoed prompt or a run-on is left out)")
    for candidate in explanation.candidates:
        answer = "not closed" if candidate.answer is None else printable(candidate.answer)
        line = f"  {candidate.kind:<10} {answer}  at {candidate.span[0]}-{candidate.span[1]}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    answer = "none" if explanation.extraction.answer is None else printable(explanation.extraction.answer)
    console.print(f"answer: {answer}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"rule: {explanation.extraction.rule}; {explanation.why}", markup=False, highlight=False)
