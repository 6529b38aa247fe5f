"""Sets of real numbers: intervals, unions, inequalities of one unknown, set-builder notation.

A region is a tuple of pieces in order. Where an end holds a symbol there is no order; such pieces are
compared one by one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from evalkit.grade.formulas.equal import equal
from evalkit.grade.formulas.evaluate import MACHINE, Outside, Unknown, evaluate
from evalkit.grade.formulas.nodes import Node, negative, node, symbols
from evalkit.grade.formulas.tokens import NotRead

INFINITY = node("infinity")
MINUS_INFINITY = negative(INFINITY)
LIKE = frozenset({"interval", "union", "without", "meet", "builder", "field", "empty"})
"""Kinds of node that are nothing but a set of numbers."""
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "!=": "!=", "=": "="}
_MOST = 64


class End(NamedTuple):
    """An end of a piece: its place on the line, whether it belongs to the piece, and its value."""

    at: float
    closed: bool
    value: Node


class Piece(NamedTuple):
    low: End
    high: End


Region = tuple[Piece, ...]
LOWEST, HIGHEST = End(-math.inf, False, MINUS_INFINITY), End(math.inf, False, INFINITY)
LINE: Region = (Piece(LOWEST, HIGHEST),)


def region(tree: Node, inside: bool = False) -> tuple[Region, str]:
    """The region that a tree describes and the name of its unknown ("" where none is named).

    A pair in round brackets is an open interval only `inside` a set expression or where asked for.
    Raises NotRead for what is no region.
    """
    kind, parts = tree.kind, tree.parts
    if kind == "interval" or (kind == "tuple" and inside and len(parts) == 2 and not tree.value):
        brackets = str(tree.value) or "()"
        piece = Piece(_end(parts[0], brackets[0] == "["), _end(parts[1], brackets[1] == "]"))
        if piece.low.at > piece.high.at or (piece.low.at == piece.high.at and brackets != "[]"):
            raise NotRead("an interval that ends before it begins")
        return (piece,), ""
    if kind == "set":
        return _points(parts), ""
    if kind == "empty":
        return (), ""
    if kind == "field" and tree.value == "R":
        return LINE, ""
    if kind in ("union", "meet", "without"):
        return _combined(kind, [region(part, True)[0] for part in parts]), ""
    if kind == "builder":
        return _built(parts, str(tree.value))
    if kind == "chain":
        return _solved(tree)
    raise NotRead("no region")


def joined(trees: tuple[Node, ...], joins: frozenset[str]) -> tuple[Region, str]:
    """The region of several inequalities: both where "and" joins them or they overlap, else either."""
    found = [region(tree, True) for tree in trees]
    names = {name for _, name in found if name}
    if len(names) > 1:
        raise NotRead("several unknowns")
    regions = [one for one, _ in found]
    either, both = _combined("union", regions), _combined("meet", regions)
    chosen = either if "or" in joins or (not both and "and" not in joins) else both
    return chosen, next(iter(names), "")


def same_region(left: Region, right: Region) -> bool:
    """Whether two regions have the same pieces with the same ends."""
    return len(left) == len(right) and all(
        a.low.closed == b.low.closed
        and a.high.closed == b.high.closed
        and _same_end(a.low, b.low)
        and _same_end(a.high, b.high)
        for a, b in zip(left, right, strict=True)
    )


def _same_end(one: End, other: End) -> bool:
    if math.isinf(one.at) or math.isinf(other.at):
        return one.at == other.at
    return equal(one.value, other.value)


def _end(value: Node, closed: bool) -> End:
    """An end; raises NotRead where it is no number."""
    if value == INFINITY:
        return HIGHEST._replace(closed=closed)
    if value == MINUS_INFINITY:
        return LOWEST._replace(closed=closed)
    if value.kind in LIKE or value.kind in ("tuple", "set", "chain", "text", "matrix", "name", "list"):
        raise NotRead("no end of an interval")
    if value.free:
        return End(math.nan, closed, value)
    try:
        number = evaluate(value, {}, MACHINE)
    except (Unknown, Outside):
        raise NotRead("no end of an interval") from None
    if abs(number.imag) > 1e-9:
        raise NotRead("no real number")
    return End(number.real, closed, value)


def _points(parts: tuple[Node, ...]) -> Region:
    values = [value for part in parts for value in two_signs(part)]
    return _ordered(tuple(Piece(_end(value, True), _end(value, True)) for value in values))


def two_signs(tree: Node) -> tuple[Node, ...]:
    """A tree with "plus or minus" in it as the two that it stands for."""
    if not _has_signs(tree):
        return (tree,)
    return _with_sign(tree, False), _with_sign(tree, True)


def _has_signs(tree: Node) -> bool:
    return tree.kind == "pm" or any(_has_signs(part) for part in tree.parts)


def _with_sign(tree: Node, minus: bool) -> Node:
    if tree.kind == "pm":
        part = _with_sign(tree.parts[0], minus)
        return negative(part) if minus == (tree.value == "±") else part
    if not tree.parts:
        return tree
    return node(tree.kind, *(_with_sign(part, minus) for part in tree.parts), value=tree.value)


def _ordered(pieces: Region) -> Region:
    """Pieces in order, those that touch made one, empty ones left out."""
    if len(pieces) > _MOST:
        raise NotRead("too many pieces")
    if any(math.isnan(end.at) for piece in pieces for end in piece):
        return pieces
    full = [
        p
        for p in pieces
        if p.low.at < p.high.at or (p.low.at == p.high.at and p.low.closed and p.high.closed)
    ]
    full.sort(key=lambda piece: (piece.low.at, not piece.low.closed))
    merged: list[Piece] = []
    for piece in full:
        last = merged[-1] if merged else None
        if last is None or not _touch(last.high, piece.low):
            merged.append(piece)
        elif (piece.high.at, piece.high.closed) > (last.high.at, last.high.closed):
            merged[-1] = Piece(last.low, piece.high)
    return tuple(merged)


def _touch(high: End, low: End) -> bool:
    if low.at == high.at or (math.isclose(low.at, high.at, rel_tol=1e-12) and equal(low.value, high.value)):
        return low.closed or high.closed
    return low.at < high.at


def _combined(kind: str, regions: list[Region]) -> Region:
    if kind == "union":
        return _ordered(tuple(piece for one in regions for piece in one))
    first, *others = regions
    if kind == "without":
        others = [_complement(one) for one in others]
    return _complement(_ordered(tuple(piece for one in [first, *others] for piece in _complement(one))))


def _complement(pieces: Region) -> Region:
    if any(math.isnan(end.at) for piece in pieces for end in piece):
        if len(pieces) == 1 and pieces[0].low == pieces[0].high:
            middle = pieces[0].low._replace(closed=False)
            return (Piece(LOWEST, middle), Piece(middle, HIGHEST))
        raise NotRead("no order")
    found, low = [], LOWEST
    for piece in pieces:
        found.append(Piece(low, piece.low._replace(closed=not piece.low.closed)))
        low = piece.high._replace(closed=not piece.high.closed)
    found.append(Piece(low, HIGHEST))
    return _ordered(tuple(p for p in found if p.low.at != p.high.at or not math.isinf(p.low.at)))


def _built(parts: tuple[Node, ...], either: str) -> tuple[Region, str]:
    """{x | conditions}, where x may be said to be real; all of them hold unless "or" stands between them."""
    head, *conditions = parts
    if head.kind == "chain" and head.value == "in":
        head, conditions = head.parts[0], [head, *conditions]
    wanted = [one for one in conditions if not _says_real(one)]
    if head.kind != "symbol" or not conditions:
        raise NotRead("no condition on one unknown")
    if not wanted:
        return LINE, str(head.value)
    found, name = joined(tuple(wanted), frozenset({either or "and"}))
    if name and name != head.value:
        raise NotRead("a condition on another unknown")
    return found, str(head.value)


def _says_real(tree: Node) -> bool:
    return tree.kind == "chain" and tree.value == "in" and tree.parts[1] == node("field", value="R")


def _solved(chain: Node) -> tuple[Region, str]:
    """An inequality that is solved for its one unknown: x > 2, 1 <= x < 3, x != 2, x in (1, 2)."""
    relations, parts = str(chain.value).split(), chain.parts
    at = next((i for i, part in enumerate(parts) if part.kind in ("symbol", "name")), None)
    if at is None:
        raise NotRead("no unknown")
    name = str(parts[at].value)
    if any(name in symbols(part) for i, part in enumerate(parts) if i != at) or len(parts) > 3:
        raise NotRead("not solved")
    if len(parts) == 2 and parts[1 - at].kind in ("symbol", "name") and relations[0] != "in":
        raise NotRead("two unknowns")
    if relations[0] == "in" or (relations == ["="] and parts[1].kind in LIKE):
        if at:
            raise NotRead("no unknown")
        return region(parts[1], True)[0], name
    if len(parts) == 3 and (at != 1 or len({r[0] for r in relations}) > 1):
        raise NotRead("no chain")
    found = []
    for i, relation in enumerate(relations):
        if relation not in _FLIPPED:
            raise NotRead("no inequality")
        other = parts[i + 1] if i == at else parts[i]
        found.append(_half(relation if i == at else _FLIPPED[relation], other))
    return _combined("meet", found) if len(found) > 1 and not _unordered(found) else _chained(found), name


def _half(relation: str, value: Node) -> Region:
    if relation in ("=", "!="):
        points = _points((value,))
        return points if relation == "=" else _complement(points)
    end = _end(value, relation in ("<=", ">="))
    return (Piece(end, HIGHEST),) if relation in (">", ">=") else (Piece(LOWEST, end),)


def _unordered(found: list[Region]) -> bool:
    return any(math.isnan(end.at) for one in found for piece in one for end in piece)


def _chained(found: list[Region]) -> Region:
    """A < x < b with symbols for ends."""
    if len(found) == 1:
        return found[0]
    (one,), (other,) = found
    low, high = (one, other) if math.isinf(one.high.at) else (other, one)
    return (Piece(low.low, high.high),)
