"""The tree of a formula: one kind of node, with what follows from its parts."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Node(NamedTuple):
    """One piece of a formula.

    Expressions: number (value: Fraction), symbol, constant ("π", "e", "i"), infinity, sum, product, times
    (a product with its sign written), quotient, power, root (value: degree), function (value: its name),
    abs, floor, ceil, factorial, binomial, pm (two signs). Others: list, tuple, set, interval (value: its
    brackets), union, without, builder, chain (value: its relations), matrix, row, field, empty, text.
    `free` says whether a symbol occurs, `exact` whether rational arithmetic evaluates it.
    """

    kind: str
    parts: tuple[Node, ...] = ()
    value: Fraction | str = ""
    free: bool = False
    exact: bool = False


_EXACT = frozenset({"sum", "product", "times", "quotient"})


def node(kind: str, *parts: Node, value: Fraction | str = "") -> Node:
    """A node whose `free` and `exact` follow from its parts."""
    free = kind == "symbol" or any(part.free for part in parts)
    if kind in ("number", "symbol"):
        exact = True
    elif kind in _EXACT:
        exact = all(part.exact for part in parts)
    elif kind == "power":
        exact = parts[0].exact and parts[1].kind == "number" and Fraction(parts[1].value).denominator == 1
    else:
        exact = False
    return Node(kind, parts, value, free, exact)


def number(value: Fraction | int) -> Node:
    return Node("number", (), value if type(value) is Fraction else Fraction(value), False, True)


def rational(tree: Node) -> Fraction:
    """The value of a number."""
    assert isinstance(tree.value, Fraction)
    return tree.value


MINUS_ONE = number(-1)


def negative(part: Node) -> Node:
    """The negative, folded into a number."""
    if part.kind == "number":
        return number(-Fraction(part.value))
    return node("product", MINUS_ONE, part)


def kinds(tree: Node) -> set[str]:
    """All kinds of node that occur in a tree."""
    found, waiting = set(), [tree]
    while waiting:
        one = waiting.pop()
        found.add(one.kind)
        waiting.extend(one.parts)
    return found


def symbols(tree: Node) -> set[str]:
    """The names of all symbols in a tree."""
    found, waiting = set(), [tree]
    while waiting:
        one = waiting.pop()
        if one.free:
            if one.kind == "symbol":
                found.add(str(one.value))
            waiting.extend(one.parts)
    return found


def weight(tree: Node) -> int:
    """How many numbers, symbols and functions an expression is made of; a sign counts nothing."""
    count, waiting = 0, [tree]
    while waiting:
        one = waiting.pop()
        if one is not MINUS_ONE and one.kind in (
            "number",
            "symbol",
            "constant",
            "function",
            "root",
            "factorial",
            "binomial",
            "abs",
        ):
            count += 1
        waiting.extend(one.parts)
    return count
