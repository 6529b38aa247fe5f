"""Evaluate a tree at a point: in rational numbers, in machine numbers, or to many digits.

One walk over the tree serves all three; what differs is the arithmetic. Nothing here grows without bound:
powers of rational numbers are limited in bits, machine numbers overflow, and many digits are only computed
of what machine numbers could hold.
"""

from __future__ import annotations

import cmath
import math
import threading
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from evalkit.grade.formulas.nodes import Node, rational

_MOST_BITS = 8192
_LARGEST_FACTORIAL = 150
_TINY = 1e-9


class Unknown(Exception):
    """The value is too large, or none: a division by zero, an infinity, something opaque."""


class Outside(Exception):
    """The point lies outside the domain over the real numbers: the root or logarithm of a negative value."""


Point = Mapping[str, Any]


def exactly(tree: Node, point: Mapping[str, Fraction]) -> Fraction:
    """The value of an `exact` tree. Raises Unknown where it has none, or one too large."""
    kind = tree.kind
    if kind == "number":
        return rational(tree)
    if kind == "symbol":
        return point[str(tree.value)]
    if kind == "power":
        return _power(exactly(tree.parts[0], point), int(rational(tree.parts[1])))
    values = [exactly(part, point) for part in tree.parts]
    if kind == "sum":
        total = sum(values, Fraction(0))
    elif kind == "quotient":
        if not values[1]:
            raise Unknown("division by zero")
        total = values[0] / values[1]
    else:
        total = math.prod(values, start=Fraction(1))
    if total.numerator.bit_length() + total.denominator.bit_length() > _MOST_BITS:
        raise Unknown("too large")
    return total


def _power(base: Fraction, exponent: int) -> Fraction:
    if not base and exponent < 0:
        raise Unknown("division by zero")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if base not in (0, 1, -1) and bits * abs(exponent) > _MOST_BITS:
        raise Unknown("too large")
    return base**exponent if base not in (1, -1) else base ** (exponent % 2)


class Arithmetic:
    """Complex numbers of one precision: machine numbers here."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[Any], Any]] = {
            "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "arcsin": cmath.asin, "arccos": cmath.acos,
            "arctan": cmath.atan, "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh, "ln": cmath.log,
            "sqrt": cmath.sqrt, "exp": cmath.exp,
        }  # fmt: skip
        self.constants: dict[str, Any] = {"π": complex(math.pi), "e": complex(math.e), "i": 1j}

    def number(self, value: Fraction) -> Any:
        return complex(value.numerator / value.denominator)

    def factorial(self, value: float) -> Any:
        return complex(math.gamma(value + 1))

    def check(self, value: Any) -> Any:
        if not cmath.isfinite(value):
            raise Unknown("not finite")
        return value


class Digits(Arithmetic):
    """Complex numbers of many digits, of mpmath. One object serves one thread."""

    def __init__(self) -> None:
        from mpmath.ctx_mp import MPContext  # type: ignore[import-untyped]

        self.context = ctx = MPContext()
        self.functions = {
            "sin": ctx.sin, "cos": ctx.cos, "tan": ctx.tan, "arcsin": ctx.asin, "arccos": ctx.acos,
            "arctan": ctx.atan, "sinh": ctx.sinh, "cosh": ctx.cosh, "tanh": ctx.tanh, "ln": ctx.log,
            "sqrt": ctx.sqrt, "exp": ctx.exp,
        }  # fmt: skip

    def at(self, bits: int) -> Digits:
        """The same arithmetic with numbers of so many bits."""
        self.context.prec = bits
        ctx = self.context
        self.constants = {"π": ctx.mpc(ctx.pi), "e": ctx.mpc(ctx.e), "i": ctx.mpc(0, 1)}
        return self

    def number(self, value: Fraction) -> Any:
        return self.context.mpc(self.context.mpf(value.numerator) / value.denominator)

    def factorial(self, value: float) -> Any:
        return self.context.mpc(self.context.gamma(self.context.mpf(value) + 1))

    def check(self, value: Any) -> Any:
        return value


MACHINE = Arithmetic()
_OF_THREAD = threading.local()


def digits(bits: int) -> Digits:
    """The arithmetic of so many bits that belongs to this thread."""
    if not hasattr(_OF_THREAD, "digits"):
        _OF_THREAD.digits = Digits()
    arithmetic: Digits = _OF_THREAD.digits
    return arithmetic.at(bits)


def evaluate(tree: Node, point: Point, using: Arithmetic, real: bool = True) -> Any:
    """The value of a tree at a point. `real` raises Outside where only complex numbers go on.

    Raises Unknown where there is no finite value.
    """
    try:
        return _Walk(point, using, real).value(tree)
    except (OverflowError, ZeroDivisionError, ValueError, KeyError, TypeError) as error:
        raise Unknown(str(error)) from None


class _Walk:
    def __init__(self, point: Point, using: Arithmetic, real: bool) -> None:
        self.point, self.using, self.real = point, using, real

    def value(self, tree: Node) -> Any:
        kind, parts = tree.kind, tree.parts
        if kind == "number":
            return self.using.number(rational(tree))
        if kind == "symbol":
            return self.point[str(tree.value)]
        if kind == "constant":
            return self.using.constants[str(tree.value)]
        if kind == "function":
            return self.using.check(self.function(str(tree.value), tree))
        if kind == "root":
            return self.power(parts[0], self.value(parts[0]), self.inverse(parts[1]))
        if kind == "power":
            return self.using.check(self.raised(parts[0], parts[1]))
        values = [self.value(part) for part in parts]
        return self.using.check(self.combined(kind, values))

    def combined(self, kind: str, values: list[Any]) -> Any:
        if kind == "sum":
            return sum(values[1:], values[0])
        if kind in ("product", "times"):
            return math.prod(values[1:], start=values[0])
        if kind == "quotient":
            return values[0] / values[1]
        if kind == "abs":
            return self.using.number(Fraction(0)) + abs(values[0])
        if kind in ("floor", "ceil"):
            return self.using.number(Fraction(_rounded(kind, values[0])))
        if kind == "factorial":
            return self.factorial(values[0])
        if kind == "binomial":
            top, bottom = values
            return self.factorial(top) / (self.factorial(bottom) * self.factorial(top - bottom))
        raise Unknown(kind)

    def factorial(self, value: Any) -> Any:
        number = complex(value)
        if abs(number.imag) > _TINY or not -0.5 < number.real < _LARGEST_FACTORIAL:
            raise Unknown("factorial")
        return self.using.factorial(value.real)

    def inverse(self, degree: Node) -> Fraction:
        if degree.kind != "number" or not degree.value:
            raise Unknown("degree of a root")
        return 1 / rational(degree)

    def raised(self, base: Node, exponent: Node) -> Any:
        if not exponent.free and exponent.exact:
            return self.power(base, self.value(base), exactly(exponent, {}))
        value, by = self.value(base), self.value(exponent)
        if base.kind == "constant" and base.value == "e":
            return self.using.functions["exp"](by)
        if _is_negative(value) and base.free:
            raise Outside if self.real else Unknown
        return value**by

    def power(self, base: Node, value: Any, exponent: Fraction) -> Any:
        """A rational power; odd roots of negative numbers are negative, even ones imaginary."""
        if exponent.denominator == 1:
            if abs(exponent) > 10**6:
                raise Unknown("exponent")
            return value ** int(exponent)
        if _is_negative(value):
            if exponent.denominator % 2:
                sign = (-1) ** exponent.numerator
                return sign * (-value) ** self.using.number(exponent)
            if base.free and self.real:
                raise Outside
        if exponent == Fraction(1, 2):
            return self.using.functions["sqrt"](value)
        return value ** self.using.number(exponent) if value else value

    def function(self, name: str, tree: Node) -> Any:
        value = self.value(tree.parts[0])
        table = self.using.functions
        if name in ("ln", "log", "lg"):
            if _is_negative(value) and tree.parts[0].free and self.real:
                raise Outside
            if name == "ln":
                return table["ln"](value)
            base = self.value(tree.parts[1]) if len(tree.parts) > 1 else self.using.number(Fraction(10))
            return table["ln"](value) / table["ln"](base)
        if len(tree.parts) > 1:
            raise Unknown(name)
        if name in ("arcsin", "arccos") and tree.parts[0].free and abs(complex(value).real) > 1 and self.real:
            raise Outside
        if name in table:
            return table[name](value)
        return self.derived(name, value)

    def derived(self, name: str, value: Any) -> Any:
        """Functions that follow from others: cot, sec, csc and their inverses."""
        table, one = self.using.functions, self.using.number(Fraction(1))
        if name in ("cot", "sec", "csc"):
            return one / table[{"cot": "tan", "sec": "cos", "csc": "sin"}[name]](value)
        if name in ("arcsec", "arccsc"):
            return table[{"arcsec": "arccos", "arccsc": "arcsin"}[name]](one / value)
        if name == "arccot":
            return self.using.constants["π"] / 2 - table["arctan"](value)
        raise Unknown(name)


def _is_negative(value: Any) -> bool:
    number = complex(value)
    return number.real < 0 and abs(number.imag) < _TINY * abs(number.real)


def _rounded(kind: str, value: Any) -> int:
    number = complex(value)
    if abs(number.imag) > _TINY:
        raise Unknown(kind)
    return math.floor(number.real + _TINY) if kind == "floor" else math.ceil(number.real - _TINY)
