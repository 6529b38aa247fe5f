"""Exact arithmetic on expressions, bounded in size: what `evalkit.grade.formula` evaluates with.

A polynomial maps monomials to Fractions; a monomial is a sorted tuple of (atom, exponent), where
an atom is a symbol, a prime (for roots: the square root of 12 is 2 times 3 to the power 1/2) or an
opaque function. A quotient is a pair of polynomials. Whatever grows beyond the bounds raises
TooLarge, so that no power tower is ever built.
"""

from __future__ import annotations

from fractions import Fraction

Monomial = tuple[tuple[str, Fraction], ...]
Polynomial = dict[Monomial, Fraction]

_MOST_TERMS = 64
_MOST_PRODUCTS = 1024
_MOST_BITS = 2000
_HIGHEST_POWER = 64
# Roots are simplified by the primes up to this one.
_LARGEST_FACTOR = 1000


class TooLarge(Exception):
    """The expression is beyond the bounds, or not one that this arithmetic knows."""


class Quotient:
    """numerator / denominator, immutable. Two are equal where the cross products are."""

    __slots__ = ("bottom", "top")

    def __init__(self, top: Polynomial, bottom: Polynomial | None = None) -> None:
        self.top = top
        self.bottom = _ONE if bottom is None else bottom
        if not self.bottom:
            raise TooLarge("division by zero")

    def equals(self, other: Quotient) -> bool:
        return _times(self.top, other.bottom) == _times(other.top, self.bottom)

    def key(self) -> str:
        """A text for use in an opaque atom; equal values mostly, not always, have equal keys."""
        return f"{sorted(self.top.items())}/{sorted(self.bottom.items())}"

    def number(self) -> Fraction | None:
        """The value, where no symbol is left."""
        if set(self.top) <= {()} and set(self.bottom) == {()}:
            return self.top.get((), Fraction(0)) / self.bottom[()]
        return None


_ONE: Polynomial = {(): Fraction(1)}


def constant(value: Fraction) -> Quotient:
    return Quotient({(): value} if value else {})


def atom(name: str) -> Quotient:
    return Quotient({((name, Fraction(1)),): Fraction(1)})


def add(left: Quotient, right: Quotient) -> Quotient:
    top = _times(left.top, right.bottom)
    for monomial, factor in _times(right.top, left.bottom).items():
        total = top.get(monomial, Fraction(0)) + factor
        if total:
            top[monomial] = total
        else:
            top.pop(monomial, None)
    return Quotient(top, _times(left.bottom, right.bottom))


def negate(value: Quotient) -> Quotient:
    return Quotient({monomial: -factor for monomial, factor in value.top.items()}, value.bottom)


def multiply(left: Quotient, right: Quotient) -> Quotient:
    return Quotient(_times(left.top, right.top), _times(left.bottom, right.bottom))


def divide(left: Quotient, right: Quotient) -> Quotient:
    return Quotient(_times(left.top, right.bottom), _times(left.bottom, right.top))


def power(base: Quotient, exponent: Quotient) -> Quotient:
    """Base ** exponent: by multiplication, by primes for a root, else as an opaque atom."""
    number = exponent.number()
    if number is None:
        return atom(f"power({base.key()},{exponent.key()})")
    if abs(number) > _HIGHEST_POWER:
        raise TooLarge("exponent")
    if number.denominator == 1:
        result = constant(Fraction(1))
        for _ in range(abs(int(number))):
            result = multiply(result, base)
        return result if number >= 0 else divide(constant(Fraction(1)), result)
    if len(base.top) != 1 or len(base.bottom) != 1:
        return atom(f"root({base.key()},{number})")
    return Quotient(_root(base.top, number), _root(base.bottom, number))


def _root(polynomial: Polynomial, exponent: Fraction) -> Polynomial:
    """A single term to a fractional power; a negative one only under an odd root."""
    ((monomial, factor),) = polynomial.items()
    sign = Fraction(1)
    if factor < 0:
        if exponent.denominator % 2 == 0:
            raise TooLarge("even root of a negative number")
        sign, factor = Fraction(-1) ** exponent.numerator, -factor
    if any(not _is_prime(name) for name, _ in monomial) and exponent.denominator % 2 == 0:
        # the square root of x^2 is |x|: left alone
        return {((f"root({monomial},{factor},{exponent})", Fraction(1)),): Fraction(1)}
    powers = dict(monomial)
    for prime, count in _primes(factor.numerator) + [(p, -n) for p, n in _primes(factor.denominator)]:
        powers[str(prime)] = powers.get(str(prime), Fraction(0)) + count
    return {_monomial({name: power * exponent for name, power in powers.items()}, whole := [sign]): whole[0]}


def _primes(number: int) -> list[tuple[int, int]]:
    """Prime factors with their counts; what is left without a small factor counts as one."""
    if number.bit_length() > _MOST_BITS:
        raise TooLarge("number")
    factors = []
    divisor = 2
    while divisor <= _LARGEST_FACTOR and divisor * divisor <= number:
        count = 0
        while number % divisor == 0:
            number, count = number // divisor, count + 1
        if count:
            factors.append((divisor, count))
        divisor += 1
    return factors + ([(number, 1)] if number > 1 else [])


def _is_prime(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _monomial(powers: dict[str, Fraction], factor: list[Fraction]) -> Monomial:
    """The sorted monomial; whole powers of primes are multiplied into factor[0]."""
    kept = []
    for name, exponent in sorted(powers.items()):
        if abs(exponent) > _HIGHEST_POWER:
            raise TooLarge("exponent")
        if _is_prime(name):
            whole = exponent.numerator // exponent.denominator
            factor[0] *= Fraction(int(name)) ** whole
            exponent -= whole
        if exponent:
            kept.append((name, exponent))
    return tuple(kept)


def _times(left: Polynomial, right: Polynomial) -> Polynomial:
    if len(left) * len(right) > _MOST_PRODUCTS:
        raise TooLarge("terms")
    product: Polynomial = {}
    for one, first in left.items():
        for other, second in right.items():
            factor = [first * second]
            powers = dict(one)
            for name, exponent in other:
                powers[name] = powers.get(name, Fraction(0)) + exponent
            monomial = _monomial(powers, factor) if powers else ()
            total = product.get(monomial, Fraction(0)) + factor[0]
            if total.numerator.bit_length() + total.denominator.bit_length() > _MOST_BITS:
                raise TooLarge("number")
            if total:
                product[monomial] = total
            else:
                product.pop(monomial, None)
    if len(product) > _MOST_TERMS:
        raise TooLarge("terms")
    return product
