"""A place in a list of tokens, with what the parts of the grammar ask of each other."""

from __future__ import annotations

from evalkit.grade.formulas.nodes import Node
from evalkit.grade.formulas.tokens import NotRead, Token

_DEEPEST = 40
_END = Token("end", "")


class Cursor:
    """Where the parser is, how deep, and inside of what."""

    def __init__(self, tokens: list[Token], operators: bool = False) -> None:
        self.tokens = tokens
        self.operators = operators
        """Whether sums, limits and integrals are read, which the third version of the scorer did not."""
        self.at = 0
        self.depth = 0
        self.bars = 0
        self.in_set = False
        self.in_function = False
        self.units: list[str] = []

    def peek(self, ahead: int = 0) -> Token:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else _END

    def take(self, kind: str, text: str) -> bool:
        token = self.peek()
        if token.kind == kind and token.text == text:
            self.at += 1
            return True
        return False

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise NotRead("too deep")

    def sum(self) -> Node:
        raise NotImplementedError

    def product(self) -> Node:
        raise NotImplementedError

    def signed(self) -> Node:
        raise NotImplementedError

    def powered(self) -> Node:
        raise NotImplementedError

    def bracket(self) -> Node:
        raise NotImplementedError

    def matrix(self) -> Node:
        raise NotImplementedError

    def reversed_interval(self) -> bool:
        raise NotImplementedError
