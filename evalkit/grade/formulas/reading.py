"""A text read as a formula, as far as that goes: `read(text)`, and `compare(gold, answer)` of two of them."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import Literal

from evalkit.grade.formulas.compare import FormulaMatch
from evalkit.grade.formulas.parse import Parsed, read_tokens
from evalkit.grade.formulas.text import is_written, same_text, spelling
from evalkit.grade.formulas.tokens import NotRead, Token, tokenize

_GROUPED = re.compile(r"\d,\d{3}(?!\d)")
_UNGROUPED_ZEROS = re.compile(r"(?<![\d.])\d{1,3},0\d\d(?!\d)")

# What takes room and shows nothing.
_UNSEEN = re.compile(r"\\[hv]?phantom\s*\{[^{}]*\}")
_SYSTEM = re.compile(
    r"\\left\s*\\\{\s*\\begin\{array\}\{[lcr]\}(.{1,500}?)\\end\{array\}\s*\\right\s*\.?", re.DOTALL
)
# Powers as plain text writes them: x², x**2.
_RAISED = re.compile(r"(?<=[\w)\]}])⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ]+")
_LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ", "-0123456789n")
_POWER = re.compile(r"(?<=[\w)])\*\*(?=[\w(-])")
_BASE = re.compile(r"_\{\((\w{1,12})\)\}")
LATEST = 4
"""The newest version of the scorer that compares formulas."""

Verdict = Literal["same", "unfinished", "other"]


class Reading:
    """A text with its spellings as a formula, and its trees, which are read when they are asked for.

    There are two of each where "1,234" may be one number or two, and none for a text. `version` is that of
    the scorer, from the third on.
    """

    def __init__(self, text: str, version: int = LATEST) -> None:
        self.text = text.strip().rstrip(".。").strip()
        self.version = version
        if version > 3 and ("phantom" in text or "_{(" in text or "array" in text):
            self.text = _SYSTEM.sub(r"\\begin{cases}\1\\end{cases}", self.text)
            self.text = _BASE.sub(r"_{\1}", _UNSEEN.sub("", self.text))
        if version > 3 and not self.text.isascii():
            self.text = _RAISED.sub(lambda raised: f"^{{{raised.group().translate(_LOWERED)}}}", self.text)
        if version > 3 and "**" in self.text:
            self.text = _POWER.sub("^", self.text)
        self._tokens: list[list[Token]] = []
        for grouped in (True, False) if _GROUPED.search(self.text) else (True,):
            if grouped or not _UNGROUPED_ZEROS.search(self.text):
                with suppress(NotRead):
                    self._tokens.append(tokenize(self.text, grouped))
        self.spellings = {tuple(spelling(tokens)) for tokens in self._tokens}

    @cached_property
    def trees(self) -> tuple[Parsed, ...]:
        trees = []
        if not is_written(self.text):
            for tokens in self._tokens:
                with suppress(NotRead, RecursionError):
                    trees.append(read_tokens(tokens, self.version > 3))
        return tuple(tree for tree in trees if not all(item.kind == "text" for item in tree.items))


def read(text: str, version: int = LATEST) -> Reading:
    """Read a text as a formula. Never raises: what is none has no tree."""
    return Reading(text, version)


@lru_cache(maxsize=4096)
def read_gold(text: str, version: int = LATEST) -> Reading:
    """As `read`, remembered: a gold is read once."""
    return read(text, version)


def compare(gold: Reading, answer: Reading) -> Verdict:
    """Whether an answer states what the gold does, or would if its work were done."""
    if not gold.spellings.isdisjoint(answer.spellings):
        return "same"
    if not gold.trees or not answer.trees:
        return "same" if same_text(answer.text, gold.text) else "other"
    unfinished = False
    for wanted in gold.trees:
        for found in answer.trees:
            comparison = FormulaMatch(strict=gold.version > 3)
            if wanted.units and found.units and wanted.units != found.units:
                continue
            try:
                if comparison.same(wanted, found):
                    return "same"
            except (NotRead, RecursionError):
                continue
            unfinished = unfinished or comparison.unfinished
    return "unfinished" if unfinished else "other"
