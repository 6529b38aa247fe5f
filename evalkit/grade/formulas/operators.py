r"""Sums, products, limits and integrals: one symbol each, named by its normal spelling.

Nothing is worked out: two are the same where range and body are, whatever the bound variable is called, in
whatever order terms and factors stand. So `2\int_0^1 f(t)\,dt` is compared as twice an unknown.
"""

from __future__ import annotations

import re

from evalkit.grade.formulas.cursor import Cursor
from evalkit.grade.formulas.nodes import Node, node
from evalkit.grade.formulas.tokens import NotRead, Token

OPERATORS = frozenset({"\\sum", "\\prod", "\\int", "\\iint", "\\oint", "\\lim"})
_BOUND = "•"
_UNORDERED = {"sum": "sum", "product": "product", "times": "product"}


class Operators(Cursor):
    r"""What \sum and its like begin, in a list of tokens."""

    def operator(self, name: str) -> Node:
        """The operator whose name was just read, with its range and its body."""
        if not self.operators:
            raise NotRead("a sum, a limit or an integral")
        self.deeper()
        below, above = "", ""
        bound = ""
        while self.peek().kind in ("index", "power"):
            kind = self.peek().kind
            self.at += 1
            part = self._group()
            if kind == "power":
                above = self._spelled(part, bound)
                continue
            if len(part) > 2 and part[0].kind == "name" and part[1].text in ("=", "→", "in"):
                bound, part = part[0].text, part[1:]
            below = self._spelled(part, bound)
        if "int" in name:
            body, bound = self._integrand()
        else:
            start = self.at
            self.product()
            body = self.tokens[start : self.at]
        self.depth -= 1
        return node("symbol", value=f"{name}[{below}][{above}]({self._spelled(body, bound)})")

    def _group(self) -> list[Token]:
        """The tokens of a group in braces, or one token (of a number its first digit, as TeX has it)."""
        token = self.peek()
        if token.kind == "num" and len(token.text) > 1 and token.text.isdigit():
            self.tokens[self.at : self.at + 1] = [Token("num", token.text[0]), Token("num", token.text[1:])]
        start = self.at
        self.at = _after_group(self.tokens, start) if token.text == "{" else start + 1
        return self.tokens[start + 1 : self.at - 1] if token.text == "{" else self.tokens[start : self.at]

    def _integrand(self) -> tuple[list[Token], str]:
        """What stands before the differential, and its variable; a product that holds it somewhere."""
        depth = 0
        for at in range(self.at, len(self.tokens) - 1):
            token, following = self.tokens[at], self.tokens[at + 1]
            depth += (token.kind == "open") - (token.kind == "close")
            if depth < 0:
                break
            if depth == 0 and token.text == "d" and following.kind in ("name", "word"):
                start, self.at = self.at, at + 2
                return self.tokens[start:at], following.text
        start = self.at
        self.product()
        return self.tokens[start : self.at], ""

    def _spelled(self, tokens: list[Token], bound: str) -> str:
        """The normal spelling of some tokens: of their tree where they have one."""
        inner = type(self)(list(tokens), self.operators)
        inner.depth = self.depth + 1
        try:
            tree = inner.sum()
            if inner.at == len(inner.tokens):
                return _normal(tree, bound)
        except NotRead:
            pass
        return " ".join(_BOUND if token.text == bound else token.text for token in tokens)


def _after_group(tokens: list[Token], at: int) -> int:
    depth = 0
    for end in range(at, len(tokens)):
        depth += (tokens[end].text == "{") - (tokens[end].text == "}")
        if depth == 0:
            return end + 1
    raise NotRead("a range that is not closed")


def _normal(tree: Node, bound: str) -> str:
    """A tree as text; terms and factors in order, the bound variable under one name."""
    if tree.kind in ("symbol", "constant"):
        name, mark, index = str(tree.value).partition("_")
        if bound and mark:
            index = re.sub(rf"(?<![A-Za-z\\]){re.escape(bound)}(?![A-Za-z])", _BOUND, index)
        return _BOUND if tree.value == bound else f"{name}{mark}{index}"
    if tree.kind == "number":
        return str(tree.value)
    parts = [_normal(part, bound) for part in tree.parts]
    kind = _UNORDERED.get(tree.kind, tree.kind)
    if tree.kind in _UNORDERED:
        parts.sort()
    value = "" if tree.kind == "quotient" else tree.value
    return f"{kind}{value}({','.join(parts)})" if parts else f"{kind}{value}"
