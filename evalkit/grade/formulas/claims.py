r"""What an item of a formula claims: a value, a value of a name, an equation, an inequality.

Chains of equality are settled here. A name may stand before a value; sides without any unknown are a
calculation, which is carried through or contradicts itself; `\approx` keeps the side before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from evalkit.grade.formulas.equal import equal
from evalkit.grade.formulas.evaluate import MACHINE, Outside, Unknown, evaluate
from evalkit.grade.formulas.nodes import Node, rational, symbols
from evalkit.grade.formulas.regions import LIKE, two_signs
from evalkit.grade.formulas.tokens import NotRead


@dataclass(frozen=True, slots=True)
class Value:
    """An expression or a collection of them, with the names it is told for. `also`: what a gold takes too."""

    node: Node
    names: tuple[str, ...] = ()
    also: Node | None = None


@dataclass(frozen=True, slots=True)
class Equation:
    """Two sides of which neither is a name that is told a value."""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain of inequalities that is not solved, or of several unknowns."""

    parts: tuple[Node, ...]
    signs: tuple[str, ...]


Claim = Value | Equation | Relation
_OPAQUE = frozenset({"text", "name", "tuple", "set", "matrix", "chain", "row"}) | LIKE


def claims(items: tuple[Node, ...]) -> tuple[Claim, ...]:
    """The claims of all items; a condition such as "k in Z" is none, and a set is a list."""
    found: list[Claim] = []
    for item in items:
        if (
            item.kind == "chain"
            and item.value == "in"
            and item.parts[1].kind == "field"
            and item.parts[1].value != "R"
        ):
            continue
        if item.kind == "chain" and item.parts[1:] and item.parts[0].kind == "name" and item.parts[0].parts:
            found += _told_together(item)
            continue
        found += [claim(one) for one in two_signs(item)]
    return tuple(found)


def claim(item: Node) -> Claim:
    """What one item claims. Raises NotRead where it contradicts itself."""
    if item.kind != "chain":
        return Value(item)
    signs = tuple(str(item.value).split())
    if set(signs) <= {"=", "~"}:
        return _equality(item.parts, signs)
    if signs == ("in",) and item.parts[0].kind in ("symbol", "name"):
        return Value(item.parts[1], (str(item.parts[0].value),))
    return Relation(item.parts, signs)


def _equality(parts: tuple[Node, ...], signs: tuple[str, ...]) -> Claim:
    count = next((i for i, part in enumerate(parts) if not _is_name(part)), len(parts))
    names, sides = tuple(str(part.value) for part in parts[:count]), parts[count:]
    if not names and len(parts) == 2 and _is_name(parts[1]):
        names, sides, signs = (str(parts[1].value),), parts[:1], ()
    else:
        signs = signs[count:]
    if names and sides and not any(set(names) & symbols(side) for side in sides):
        return _carried_through(sides, signs, names)
    if not names and not any(part.free or part.kind in _OPAQUE for part in parts):
        return _carried_through(parts, signs, ())
    if len(parts) == 2:
        left, right = parts
        if left.kind in _OPAQUE or right.kind in _OPAQUE:
            raise NotRead("sides that are no expressions")
        if equal(left, right):  # an identity: what it leads to
            return Value(right)
        return Equation(left, right)
    return Relation(parts, ("=",) * (len(parts) - 1))


def _carried_through(sides: tuple[Node, ...], signs: tuple[str, ...], names: tuple[str, ...]) -> Value:
    """The value that equal sides lead to; with a sign of approximation the exact one before it."""
    value = sides[0]
    for sign, side in zip(signs, sides[1:], strict=True):
        if sign == "~":
            if not rounds_to(value, side):
                raise NotRead("sides that do not agree to rounding")
            return Value(value, names, also=side)
        if not _agree(value, side):
            raise NotRead("sides that are not equal")
        value = side
    return Value(value, names)


def _agree(one: Node, other: Node) -> bool:
    return one == other or (one.kind not in _OPAQUE and other.kind not in _OPAQUE and equal(one, other))


def rounds_to(exact: Node, rounded: Node) -> bool:
    """Whether a number is another one rounded or cut at its last digit."""
    if rounded.kind == "product" and len(rounded.parts) == 2:
        return exact.kind == "product" and rounds_to(exact.parts[-1], rounded.parts[-1])
    if exact.free or exact.kind in _OPAQUE or rounded.kind != "number":
        return exact.kind == rounded.kind and _agree(exact, rounded)
    value = rational(rounded)
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
        if places > 40:
            return False
    unit = Fraction(1, 10**places)
    if not places:
        while value and value % (unit * 10) == 0:
            unit *= 10
    try:
        near = evaluate(exact, {}, MACHINE, False)
    except (Unknown, Outside):
        return False
    distance = abs(near - complex(float(value)))
    cut = abs(float(value)) <= abs(near) and distance < float(unit)
    return bool(cut or distance <= float(unit) * 0.5000001)


def _is_name(part: Node) -> bool:
    if part.kind == "symbol":
        return "](" not in str(part.value)  # a sum or an integral is none
    return part.kind in ("name", "text")


def _told_together(item: Node) -> list[Claim]:
    """(p, q) = (3, 2) as p = 3 and q = 2."""
    told, value = item.parts[0], item.parts[-1]
    if value.kind not in ("tuple", "interval") or len(value.parts) != len(told.parts) or len(item.parts) != 2:
        return [Value(value, (str(told.value),))]
    return [Value(part, (str(name.value),)) for name, part in zip(told.parts, value.parts, strict=True)]
