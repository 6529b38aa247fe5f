r"""Rule `math`: an answer that may be any formula, as MATH and AIME ask for it.

The last \boxed{...}; without one what "the answer is ..." says; without that the last formula
between dollar signs or \( \) or \[ \] of the last lines. Formulas are kept as text; `evalkit.grade`
compares them exactly. The first version read what an equation ends in, and cut a box at a bracket; the
second keeps all of it, the third also a name that is told a number, and a hedge.
"""

from __future__ import annotations

import re

from evalkit.extract.answer_span import AnswerSpan, last_match
from evalkit.extract.boxed import read_boxed
from evalkit.extract.declared.content import Content, read_content
from evalkit.extract.declared.kept import keep_box, keep_declared
from evalkit.extract.declared.whole import read_bare, read_box, read_declared
from evalkit.extract.markers import read_heading
from evalkit.extract.phrase import read_phrase
from evalkit.extract.unmarked import read_affirmed, read_unmarked

_TAIL = 1000
_FORMULA = re.compile(
    r"\$\$(?P<display>[^$]{1,400})\$\$|\$(?P<inline>[^$\n]{1,400})\$|\\\((?P<round>.{1,400}?)\\\)|\\\[(?P<square>.{1,400}?)\\\]",
    re.DOTALL,
)


def read_math(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """The answer of a text that may hold formulas."""
    marked = read_boxed(text, lo, hi)
    if marked is None:
        marked = read_phrase(text, lo, hi)
    if marked is not None:
        return marked
    last = last_match(_FORMULA, text, max(lo, hi - _TAIL), hi)
    if last is not None and last.lastgroup:
        return read_content(text, last.start(last.lastgroup), last.end(last.lastgroup))
    return read_unmarked(text, lo, hi)


def read_whole_math(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """The answer of a text that may hold formulas, whole."""
    marked = read_boxed(text, lo, hi, read_box)
    if marked is None:
        marked = read_phrase(text, lo, hi, read_declared)
    return (
        marked
        or _last_formula(text, lo, hi, read_box)
        or read_bare(text, lo, hi)
        or read_unmarked(text, lo, hi)
    )


def read_any_math(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """As `read_whole_math`, with names and hedges kept; a line of #### counts as a phrase does."""
    marked = read_boxed(text, lo, hi, keep_box)
    if marked is None:
        marked = read_phrase(text, lo, hi, keep_declared)
        heading = read_heading(text, lo, hi, keep_declared) if "#" in text and "###" in text else None
        if heading is not None and (marked is None or marked.start < heading.start):
            marked = heading
    return (
        marked
        or _last_formula(text, lo, hi, keep_box)
        or read_bare(text, lo, hi)
        or read_affirmed(text, lo, hi)
    )


def _last_formula(text: str, lo: int, hi: int, read: Content) -> AnswerSpan | None:
    lo = max(lo, hi - _TAIL)
    if text.find("$", lo, hi) < 0 and text.find("\\", lo, hi) < 0:
        return None
    last = last_match(_FORMULA, text, lo, hi)
    return read(text, *last.span(last.lastgroup), False) if last is not None and last.lastgroup else None
