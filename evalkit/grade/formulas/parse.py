"""Read a formula: a bounded recursive descent from tokens to a tree of `Node`s.

`parse(text)` returns what stands between the separators at the top: one item for a number, an expression,
an equation; several for a list. Depth, tokens and characters are bounded, and no token is read twice, so
time is linear in the length of the text.
"""

from __future__ import annotations

from typing import NamedTuple

from evalkit.grade.formulas.expressions import Expressions
from evalkit.grade.formulas.names import read_name
from evalkit.grade.formulas.nodes import Node, node
from evalkit.grade.formulas.tokens import NotRead, Token, tokenize

_BRACKETS = {"()": "()", "[]": "[]", "[)": "[)", "(]": "(]", "][": "()", "[[": "[)", "]]": "(]"}
_FIELD_WORDS = {"all real numbers": "R", "all reals": "R"}


class Parsed(NamedTuple):
    """The items of a formula, how they are joined (",", "and", "or"), and the powers of its units."""

    items: tuple[Node, ...]
    joins: frozenset[str]
    units: tuple[str, ...]


def parse(text: str, grouped: bool = True) -> Parsed:
    """The tree of a formula. Raises NotRead where it is none, or too large."""
    return read_tokens(tokenize(text, grouped))


def read_tokens(tokens: list[Token], operators: bool = False) -> Parsed:
    """As `parse`, of what `tokenize` made; `operators` reads sums, limits and integrals too."""
    statements = Statements(list(tokens), operators)
    return Parsed(*statements.whole(), tuple(statements.units))


class Statements(Expressions):
    """Lists, chains of relations, sets, intervals and matrices over the grammar of expressions."""

    def whole(self) -> tuple[tuple[Node, ...], frozenset[str]]:
        items, joins = self.items()
        if self.at < len(self.tokens) or not items:
            raise NotRead("no formula")
        return tuple(items), frozenset(joins)

    def items(self) -> tuple[list[Node], set[str]]:
        """Chains with separators between them; separators at the ends and doubled ones are let be."""
        found: list[Node] = []
        joins: set[str] = set()
        waiting = False
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "comma":
                self.at += 1
                if found:
                    waiting = True
                    joins.add(token.text)
                continue
            if token.kind in ("close", "cell", "row", "env") and not self.starts_item(token):
                break
            if found and not waiting:
                break
            found.append(self.chain())
            waiting = False
        return found, joins

    def starts_item(self, token: Token) -> bool:
        return (token.text == "]" and self.reversed_interval()) or token.text.startswith(r"\begin")

    def chain(self) -> Node:
        """An expression, or several with relations between them."""
        self.take("rel", "~")
        parts, relations = [self.side()], []
        while self.peek().kind == "rel":
            relations.append(self.peek().text)
            self.at += 1
            parts.append(self.side())
        return node("chain", *parts, value=" ".join(relations)) if relations else parts[0]

    def side(self) -> Node:
        """One side of a relation: a name that is told a value, or a set expression."""
        named = read_name(self.tokens, self.at)
        if named is not None:
            self.at = named[1]
            return named[0]
        left = self.sum()
        while self.peek().kind == "set":
            sign = self.peek().text
            self.at += 1
            kind = {"∪": "union", "∩": "meet", "∖": "without"}.get(sign)
            if kind is None:
                raise NotRead("a union over an index")
            right = self.sum()
            left = node(kind, *left.parts, right) if kind == left.kind == "union" else node(kind, left, right)
        return left

    def bracket(self) -> Node:
        """What a bracket opens: a group, a tuple, an interval, a set, or a rounding."""
        opening = self.tokens[self.at].text
        self.at += 1
        self.deeper()
        in_set, self.in_set = self.in_set, opening == "⦃"
        bars, self.bars = self.bars, 0
        function, self.in_function = self.in_function, self.in_function and opening in "({["
        items, joins = self.items()
        if self.in_set and self.peek().text in ("|", ":"):
            self.at += 1
            self.in_set = False
            conditions, signs = self.items()
            either = "or" if self.operators and "or" in signs else ""
            items = [node("builder", *items[:1], *conditions, value=either)]
        self.in_set, self.bars, self.in_function = in_set, bars, function
        self.depth -= 1
        closing = self.peek()
        if closing.kind != "close" and closing.text != "[":
            raise NotRead("a bracket that is not closed")
        self.at += 1
        return _bracketed(opening, closing.text, items, joins)

    def matrix(self) -> Node:
        r"""\begin{pmatrix} a & b \\ c & d \end{pmatrix}, whatever its brackets; an array is one too."""
        system = self.operators and "cases" in self.tokens[self.at].text
        if not system and not any(name in self.tokens[self.at].text for name in ("matrix", "array")):
            raise NotRead("an environment")
        self.at += 1
        self.deeper()
        rows: list[Node] = []
        cells: list[Node] = []
        while True:
            token = self.peek()
            if token.kind in ("row", "env"):
                if cells:
                    rows.append(node("row", *cells))
                cells = []
                self.at += 1
                if token.kind == "env":
                    break
            elif token.kind == "cell":
                self.at += 1
            elif token.kind == "end":
                raise NotRead("an environment that is not closed")
            else:
                cells.append(self.chain())
        self.depth -= 1
        if system:  # x = 1 and y = 2, one below the other; with conditions it is a function
            if any(len(row.parts) != 1 for row in rows):
                raise NotRead("a function by cases")
            return node("set", *(row.parts[0] for row in rows))
        return node("matrix", *rows)

    def reversed_interval(self) -> bool:
        """Whether the "]" here opens an interval, as in ]1,3[: only where no bracket waits for it."""
        return self.at == 0 or self.tokens[self.at - 1].kind in ("comma", "rel", "set")


def _bracketed(opening: str, closing: str, items: list[Node], joins: set[str]) -> Node:
    pair = opening + closing
    if pair == "⦃⦄":
        if items and items[0].kind == "builder":
            return items[0]
        return node("set", *items) if items else node("empty")
    if not items:
        raise NotRead("an empty bracket")
    if pair == "{}":
        return items[0] if len(items) == 1 else node("set", *items)
    if pair in ("⌊⌋", "⌈⌉") and len(items) == 1:
        return node("floor" if opening == "⌊" else "ceil", *items)
    brackets = _BRACKETS.get(pair)
    if brackets is None:
        raise NotRead("brackets that do not match")
    if len(items) == 1 and pair in ("()", "[]"):
        return items[0]
    if len(items) == 2 and (brackets != "()" or pair == "]["):
        return node("interval", *items, value=brackets)
    if brackets not in ("()", "[]") or pair == "][":
        raise NotRead("brackets that do not match")
    return node("tuple", *items)
