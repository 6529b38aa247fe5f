"""Whether two expressions have the same value: exactly where rational arithmetic does it, else to 60 digits.

Two trees are equal where they agree at points that are drawn from both texts, so that nobody can know them
beforehand. Machine numbers only ever tell two values apart; they never make them equal.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from evalkit.grade.formulas.evaluate import MACHINE, Outside, Unknown, digits, evaluate, exactly
from evalkit.grade.formulas.nodes import Node, kinds, rational, symbols

_POINTS = 3
_BITS = 220
_LEEWAY = 60
"""Bits that rounding may take of a result."""
_ROUGHLY = 1e-6

_ROUNDINGS = frozenset({"floor", "ceil", "factorial", "binomial"})
_WHOLE_POINTS = 40
# (lowest value, size, whether signs are mixed) of the points.
_RANGES = (
    (1.1, 2.0, False), (0.7, 2.0, True), (0.1, 0.8, False),
    (2.3, 3.0, False), (1.2, 3.0, True), (3.1, 6.0, False),
)  # fmt: skip


def equal(left: Node, right: Node) -> bool:
    """Whether two expressions are the same number, or the same function of their symbols."""
    if left == right:
        return True
    names = symbols(left) | symbols(right)
    if left.exact and right.exact:
        return _all_exact(names, lambda point: exactly(left, point) == exactly(right, point), left, right)
    return _agree(left, right, names, _same)


def multiple(left: Node, right: Node) -> bool:
    """Whether one expression is the other times a number that is not zero, and neither is zero itself."""
    names = symbols(left)
    if names != symbols(right) or not names:
        return False
    ratios: list[Any] = []

    def constant(one: Any, other: Any, bits: int) -> bool:
        if not other or not one:
            return not one and not other
        ratios.append(one / other)
        return _same(ratios[0], ratios[-1], bits)

    if left.exact and right.exact:
        holds = _all_exact(names, lambda p: constant(exactly(left, p), exactly(right, p), 0), left, right)
    else:
        holds = _agree(left, right, names, constant, ratios)
    return holds and len(ratios) > 1


def ratio_is_positive(left: Node, right: Node) -> bool:
    """Of two trees of which one is a multiple of the other, whether the factor is positive."""
    for point in _points(symbols(left), (left, right)):
        at = {name: complex(float(value)) for name, value in point.items()}
        try:
            one, other = evaluate(left, at, MACHINE), evaluate(right, at, MACHINE)
        except (Unknown, Outside):
            continue
        if abs(one) > _ROUGHLY and abs(other) > _ROUGHLY:
            return bool((one / other).real > 0)
    return False


def _all_exact(names: set[str], holds: Callable[[dict[str, Fraction]], bool], *trees: Node) -> bool:
    tried = 0
    for point in _points(names, trees, exact=True):
        try:
            if not holds(point):
                return False
            tried += 1
        except (Unknown, OverflowError):
            if not names:
                return False
    return tried > 0


def _agree(
    left: Node,
    right: Node,
    names: set[str],
    holds: Callable[[Any, Any, int], bool],
    ratios: list[Any] | None = None,
) -> bool:
    """Whether something holds at every point that lies in the domain of both, and there is one."""
    points = list(_points(names, (left, right)))
    for real in (True, False) if names else (False,):
        inside = _roughly(left, right, points, holds, ratios, real)
        if inside is None:
            return False
        if inside:
            return _closely(left, right, inside, holds, ratios, real)
    return False


def _roughly(
    left: Node, right: Node, points: list[dict[str, Fraction]], holds: Callable[[Any, Any, int], bool],
    ratios: list[Any] | None, real: bool,
) -> list[dict[str, Fraction]] | None:  # fmt: skip
    """The points at which both have a value in machine numbers; None where those tell the two apart."""
    inside = []
    for point in points:
        at = {name: complex(float(value)) for name, value in point.items()}
        one, other = _machine(left, at, real), _machine(right, at, real)
        if one is None and other is None:
            continue
        if one is None or other is None:  # a domain of its own, as ln x beside ln |x|
            return None
        if not holds(one, other, 0 if ratios is None else -1):
            return None
        inside.append(point)
    return inside


def _machine(tree: Node, point: dict[str, complex], real: bool) -> complex | None:
    """The value in machine numbers; None outside the domain."""
    try:
        return complex(evaluate(tree, point, MACHINE, real))
    except (Outside, Unknown):
        return None


def _closely(
    left: Node, right: Node, points: list[dict[str, Fraction]], holds: Callable[[Any, Any, int], bool],
    ratios: list[Any] | None, real: bool,
) -> bool:  # fmt: skip
    if ratios is not None:
        ratios.clear()
    bits = _BITS + 4 * max(_longest(left), _longest(right))
    using = digits(bits)
    for point in points[:_POINTS]:
        at = {name: using.number(value) for name, value in point.items()}
        try:
            one, other = evaluate(left, at, using, real), evaluate(right, at, using, real)
        except (Unknown, Outside):
            return False
        if not holds(one, other, bits):
            return False
    return True


def _same(one: Any, other: Any, bits: int) -> bool:
    """Equal to `bits` bits but for rounding; 0 and -1 stand for machine numbers (and exact ones)."""
    if one == other:
        return True
    if isinstance(one, Fraction):
        return False
    scale, distance = max(abs(one), abs(other)), abs(one - other)
    if bits <= 0:
        return bool(distance <= _ROUGHLY * max(scale, 1))
    return bool(
        distance <= scale * 2.0 ** -min(bits - _LEEWAY, 1000) or scale < 2.0 ** -min(bits - _LEEWAY, 1000)
    )


def _longest(tree: Node) -> int:
    """Digits of the longest number in a tree."""
    longest, waiting = 0, [tree]
    while waiting:
        one = waiting.pop()
        if one.kind == "number":
            value = rational(one)
            longest = max(longest, (value.numerator.bit_length() + value.denominator.bit_length()) // 3)
        waiting.extend(one.parts)
    return longest


def _points(names: set[str], trees: tuple[Node, ...], exact: bool = False) -> Iterator[dict[str, Fraction]]:
    """Points that follow from the trees and the names of their symbols; one without any where there is none.

    Where rational arithmetic does it all, whole numbers, positive and negative; small positive ones where
    something is rounded or counted; else fractions in the ranges above.
    """
    if not names:
        yield {}
        return
    seed = zlib.crc32("".join(map(_shape, trees)).encode())
    whole = not exact and bool(set().union(*map(kinds, trees)) & _ROUNDINGS)
    for index in range(_WHOLE_POINTS if whole else len(_RANGES)):
        lowest, size, mixed = _RANGES[index % len(_RANGES)]
        point = {}
        for name in names:
            draw = zlib.crc32(f"{name} {index} {seed}".encode())
            if exact:
                value = Fraction(2 + draw % 9973)
            elif whole:
                value = Fraction(2 + index if len(names) == 1 else 3 + draw % 57)
            else:
                value = Fraction(round(4096 * (lowest + size * (draw % 65521) / 65521)), 4096)
            point[name] = -value if mixed and draw & 0x10000 and not whole else value
        yield point


def _shape(tree: Node) -> str:
    if not tree.parts:
        return str(tree.value)
    return f"{tree.kind}({','.join(map(_shape, tree.parts))})"
