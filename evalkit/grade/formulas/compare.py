"""Whether an answer states what the gold states: like is compared with like.

The gold decides. A list wants a list, an equation an equation, and a solved form an answer that is solved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from evalkit.grade.formulas.claims import Claim, Equation, Relation, Value, claims
from evalkit.grade.formulas.equal import equal, multiple, ratio_is_positive
from evalkit.grade.formulas.nodes import Node, kinds, negative, node, symbols, weight
from evalkit.grade.formulas.parse import Parsed
from evalkit.grade.formulas.regions import LIKE, Region, joined, region, same_region
from evalkit.grade.formulas.tokens import NotRead

_LISTS = frozenset({"tuple", "matrix", "row", "interval", "union", "without", "meet", "builder", "chain"})
# What is left to the reader where the gold holds none of it.
_WORK = frozenset({"factorial", "binomial", "function", "floor", "ceil"})
_INEQUALITIES = frozenset(["<", "<=", ">", ">=", "!="])
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "!=": "!=", "=": "="}


@dataclass
class FormulaMatch:
    """One answer against one gold. `unfinished`: the value is right, but work is left to the reader.

    `strict` is how the fourth version of the scorer differs from the third: two plain unknowns are not one
    name, and what has unknowns is no value.
    """

    strict: bool = True
    unfinished: bool = field(default=False)

    def same(self, gold: Parsed, answer: Parsed) -> bool:
        """Whether the answer states what the gold does. Raises NotRead where it states nothing."""
        if self.strict and gold.joins ^ answer.joins >= {"and", "or"} and gold.items[0].kind == "symbol":
            return False
        wanted = _region_of(gold, _is_region(answer))
        if wanted is not None and (_is_region(gold) or _is_region(answer)):
            found = _region_of(answer, True)
            return found is not None and self.may_be(wanted[1], found[1]) and same_region(wanted[0], found[0])
        return self.lists(claims(_members(gold, self.strict)), claims(_members(answer, self.strict)))

    def lists(self, gold: tuple[Claim, ...], answer: tuple[Claim, ...]) -> bool:
        """Whether every claim of the gold has its twin among those of the answer, which has no more."""
        told = [one.names[-1] if isinstance(one, Value) and one.names else "" for one in gold]
        if len(set(told)) > 1 and all(told):
            return self.assigned(gold, answer, told)
        if len(gold) == 1 and len(answer) > 1 and all(isinstance(one, Value) and one.names for one in answer):
            gold = _taken_apart(gold[0])
            return len(gold) == len(answer) and all(map(self.claimed, gold, answer))
        if len(gold) != len(answer) or not gold:
            return False
        waiting = list(answer)
        for one in gold:
            twin = next((other for other in waiting if self.claimed(one, other)), None)
            if twin is None:
                return False
            waiting.remove(twin)
        return True

    def assigned(self, gold: tuple[Claim, ...], answer: tuple[Claim, ...], told: list[str]) -> bool:
        """Values of different names: by name, or in the order of the gold."""
        if len(answer) == 1:
            answer = _taken_apart(answer[0])
        if len(gold) != len(answer):
            return False
        named = {one.names[-1]: one for one in answer if isinstance(one, Value) and one.names}
        if len(named) == len(answer) and set(named) == set(told):
            return all(self.claimed(one, named[name]) for one, name in zip(gold, told, strict=True))
        return all(self.claimed(one, other) for one, other in zip(gold, answer, strict=True))

    def claimed(self, gold: Claim, answer: Claim) -> bool:
        if isinstance(gold, Value):
            if isinstance(answer, Value):
                if self.compatible(gold.names, answer.names):
                    return self.value(gold, answer)
                return _is_curve(gold) and _multiple(_as_equation(gold), _as_equation(answer))
            return (
                isinstance(answer, Equation) and _is_curve(gold) and self.equation(_as_equation(gold), answer)
            )
        if isinstance(gold, Equation):
            if isinstance(answer, Value) and answer.names:
                return self.equation(gold, _as_equation(answer))
            return isinstance(answer, Equation) and self.equation(gold, answer)
        return isinstance(answer, Relation) and self.relation(gold, answer)

    def value(self, gold: Value, answer: Value) -> bool:
        if self.nodes(gold.node, answer.node):
            return True
        return gold.also is not None and self.nodes(gold.also, answer.node)

    def equation(self, gold: Equation | None, answer: Equation | None) -> bool:
        if gold is None or answer is None or not _multiple(gold, answer):
            return False
        return self.finished(node("sum", gold.left, gold.right), node("sum", answer.left, answer.right))

    def relation(self, gold: Relation, answer: Relation) -> bool:
        """Chains with equal sides in order or from right to left; of two sides also a positive multiple."""
        for parts, signs in (
            (answer.parts, answer.signs),
            (answer.parts[::-1], tuple(_FLIPPED.get(sign, sign) for sign in answer.signs[::-1])),
        ):
            if signs == gold.signs and all(map(self.nodes, gold.parts, parts)):
                return True
        if (
            len(gold.signs) != 1
            or len(answer.signs) != 1
            or not set(gold.signs + answer.signs) <= _INEQUALITIES
        ):
            return False
        one, other = (_difference(claim.parts[0], claim.parts[1], claim.signs[0]) for claim in (gold, answer))
        return one[1] == other[1] and _positive_multiple(one[0], other[0], one[1] == "!=")

    def nodes(self, gold: Node, answer: Node) -> bool:
        """Whether two trees are equal: collections part by part, expressions by their value."""
        if gold.kind in _LISTS or answer.kind in _LISTS:
            return (
                gold.kind == answer.kind
                and gold.value == answer.value
                and len(gold.parts) == len(answer.parts)
                and all(map(self.nodes, gold.parts, answer.parts))
            )
        if gold.kind == "set" or answer.kind == "set":
            return gold.kind == answer.kind and self.lists(claims(gold.parts), claims(answer.parts))
        if gold.kind in ("text", "name", "field", "empty", "infinity") or gold == answer:
            return gold == answer
        if kinds(gold) & {"infinity", "text", "field", "empty"} or kinds(answer) & {
            "infinity",
            "text",
            "field",
            "empty",
            "name",
        }:
            return False
        return equal(gold, answer) and self.finished(gold, answer)

    def finished(self, gold: Node, answer: Node) -> bool:
        """Whether the work is carried out as far as the gold carries it."""
        if gold == answer:
            return True
        found, wanted = kinds(answer), kinds(gold)
        done = weight(answer) <= 2 * weight(gold) + 2 and not (found - wanted) & _WORK
        done = (
            done
            and (answer.free or "abs" not in found - wanted)
            and not (_powers(answer) and not _powers(gold))
        )
        if done and gold.kind == "number":
            done = not found & {"sum", "times"}
        if self.strict and answer.free and not gold.free:
            done = False
        self.unfinished = self.unfinished or not done
        return done

    def compatible(self, gold: tuple[str, ...], answer: tuple[str, ...]) -> bool:
        return not gold or not answer or self.may_be(gold[-1], answer[-1])

    def may_be(self, one: str, other: str) -> bool:
        if (
            self.strict
            and one.casefold() != other.casefold()
            and _UNKNOWN.match(one)
            and _UNKNOWN.match(other)
        ):
            return False
        return _may_be(one, other)


def _powers(tree: Node) -> bool:
    """Whether a power of i is left to be worked out."""
    if tree.kind == "power" and tree.parts[0].kind == "constant" and tree.parts[0].value == "i":
        return True
    return any(map(_powers, tree.parts))


def _taken_apart(claim: Claim) -> tuple[Claim, ...]:
    """The parts of a tuple that is claimed, as claims."""
    if isinstance(claim, Value) and claim.node.kind == "tuple":
        return tuple(Value(part) for part in claim.node.parts)
    return (claim,)


def _members(parsed: Parsed, strict: bool) -> tuple[Node, ...]:
    """The items, those of a set in their place; a set holds each once."""
    items = parsed.items
    if len(items) == 1:
        item = items[0]
        told = ("=", "in") if strict else ("=",)
        if item.kind == "chain" and item.value in told and item.parts[1].kind == "set":
            item = item.parts[1]
        if item.kind == "set":
            items = tuple(dict.fromkeys(item.parts))
    return items


def _is_region(parsed: Parsed) -> bool:
    return any(
        item.kind in LIKE
        or (item.kind == "chain" and (set(str(item.value).split()) & _INEQUALITIES or _has_region(item)))
        for item in parsed.items
    )


def _has_region(chain: Node) -> bool:
    return chain.parts[-1].kind in LIKE


def _region_of(parsed: Parsed, pairs: bool) -> tuple[Region, str] | None:
    try:
        if len(parsed.items) == 1:
            return region(parsed.items[0], pairs)
        return (
            joined(parsed.items, parsed.joins) if all(item.kind == "chain" for item in parsed.items) else None
        )
    except NotRead:
        return None


_LABEL = re.compile(r"[a-z ]{2}")
_UNKNOWN = re.compile(r"(?:[A-Za-zα-ωΑ-Ω]|\\[A-Za-z]+)$")


def _may_be(one: str, other: str) -> bool:
    """Whether two names may stand for one thing: a label and y for anything, x for no t, y_1 for no y_2."""
    first, second = (name.replace("\\", "").casefold() for name in (one, other))
    if first == second or not first or not second or "y" in (first, second):
        return True
    if _LABEL.match(one.casefold()) or _LABEL.match(other.casefold()):
        return True
    return first[0] == second[0] and not any(mark in first and mark in second for mark in "(_")


def _is_curve(claim: Value) -> bool:
    """Whether it is y = p(x) or z = p(x, y), a curve or a surface; other solved forms are answers."""
    name = claim.names[-1] if claim.names and claim.node.exact else ""
    found = symbols(claim.node)
    return (name == "y" and found == {"x"}) or (name == "z" and {"x", "y"} >= found != set())


def _as_equation(claim: Value) -> Equation | None:
    if not claim.names or claim.node.kind in _LISTS or not claim.names[-1] or "(" in claim.names[-1]:
        return None
    return Equation(node("symbol", value=claim.names[-1]), claim.node)


def _multiple(one: Equation | None, other: Equation | None) -> bool:
    if one is None or other is None:
        return False
    return multiple(_difference(one.left, one.right, "=")[0], _difference(other.left, other.right, "=")[0])


def _difference(left: Node, right: Node, sign: str) -> tuple[Node, str]:
    """Left minus right compared with zero, with "less" as the sign."""
    if sign in (">", ">="):
        left, right, sign = right, left, _FLIPPED[sign]
    return node("sum", left, negative(right)), sign


def _positive_multiple(one: Node, other: Node, either: bool) -> bool:
    if not multiple(one, other):
        return False
    return either or ratio_is_positive(one, other)
