"""The grammar of expressions: sums, products written or not, powers, and the units after them."""

from __future__ import annotations

from fractions import Fraction

from evalkit.grade.formulas.atoms import PI, Atoms, with_sign
from evalkit.grade.formulas.nodes import Node, negative, node, number, rational
from evalkit.grade.formulas.tokens import NotRead, Token

_STARTS = frozenset({"num", "name", "function", "frac", "binom", "root", "infinity", "empty", "field"})
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_HALF_TURN = number(180)
_COLLECTIONS = frozenset({"text", "set", "tuple", "matrix", "interval"})


class Expressions(Atoms):
    """Recursive descent over a list of tokens; `Statements` adds what stands around expressions."""

    def sum(self) -> Node:
        self.deeper()
        terms = [self.product()]
        while self.peek().kind in ("sign", "pm"):
            if self.peek().text == "-" and self.peek(1).kind == "word" and self.after_value():  # N-m
                break
            sign = self.peek()
            self.at += 1
            if sign.text == "+" and self.peek().kind in ("end", "close", "comma"):  # R^+
                raise NotRead("a sign at the end")
            term = self.product()
            terms.append(with_sign(sign, term))
        self.depth -= 1
        if len(terms) == 2 and terms[0].kind in ("field", "interval", "set") and terms[1].parts[1:]:
            return node("without", terms[0], terms[1].parts[1])
        return terms[0] if len(terms) == 1 else node("sum", *terms)

    def product(self) -> Node:
        value = self.signed()
        while True:
            token = self.peek()
            if token.kind in ("times", "over"):
                if self.peek(1).kind == "word" and self.after_value():  # mi / hr
                    self.at += 1
                    self.unit()
                    continue
                self.at += 1
                value = _applied(token, value, self.signed())
            elif token.kind == "word":
                value = self.counted(value)
            elif self.is_factor(token):
                value = self.beside(value)
            else:
                return value

    def after_value(self) -> bool:
        return self.tokens[self.at - 1].kind == "word"

    def is_factor(self, token: Token) -> bool:
        """Whether a token after a value begins another factor: no "|" that closes, no "[" of [1,3[."""
        if token.kind == "bar":
            return not self.bars and not self.in_set
        if token.text == "[":
            return self.peek(1).kind not in ("end", "comma", "set", "rel", "close")
        return token.kind in _STARTS or token.kind == "open" or token.text.startswith(r"\begin")

    def signed(self) -> Node:
        token = self.peek()
        if token.kind in ("sign", "pm"):
            self.at += 1
            self.deeper()
            value = with_sign(token, self.signed())
            self.depth -= 1
            return value
        return self.powered()

    def beside(self, left: Node) -> Node:
        """Two factors side by side; a whole number before a fraction of numbers is a mixed number."""
        before, token = self.tokens[self.at - 1], self.peek()
        if token.kind == "num" and (before.kind in ("num", "word") or left.kind == "text"):
            raise NotRead("two numbers side by side")
        whole = before.kind == "num" and left.kind == "number" and before.text.isdigit()
        factor = self.powered()
        if whole and token.kind == "frac" and factor.kind == "quotient" and not factor.free and factor.exact:
            value = rational(left) + _fraction(factor)
            return number(value)
        if left.kind == "number" and left.value == -1 and before.kind == "sign":
            return negative(factor)
        if left.kind in _COLLECTIONS or factor.kind in _COLLECTIONS - {"matrix"}:
            raise NotRead("no product")
        if left.kind == "product":
            return node("product", *left.parts, factor)
        return node("product", left, factor)

    def counted(self, value: Node) -> Node:
        """A value and what it counts: the unit is let be, a scale ("million") is multiplied in."""
        scale = _SCALES.get(self.peek().text)
        start = self.at
        self.unit()
        if value.kind == "text" or (
            value.kind == "symbol" and (value.value in ("a", "A", "I") or self.at - start > 2)
        ):
            raise NotRead("prose")
        if scale is not None and value.kind == "number":
            return number(rational(value) * 10**scale)
        return value

    def unit(self) -> None:
        """Words, their powers, and "per" signs between them."""
        while True:
            token = self.peek()
            if token.kind == "word":
                self.at += 1
            elif token.kind == "power" and self.tokens[self.at - 1].kind == "word":
                self.at += 1
                self.units.append(str(self.argument(whole=True).value))
            elif (
                token.kind in ("over", "times", "sign") and self.peek(1).kind == "word" and token.text != "+"
            ):
                self.at += 2
            else:
                return

    def powered(self) -> Node:
        value = self.atom()
        while True:
            token = self.peek()
            if token.kind == "power":
                self.at += 1
                value = self.raised(value)
            elif token.kind == "factorial":
                self.at += 1
                value = node("factorial", value)
            elif token.kind == "degree":
                self.at += 1
                value = self.degrees(value)
            elif token.kind == "index" and value.kind == "symbol":
                self.at += 1
                value = node("symbol", value=f"{value.value}_{self.index()}")
            else:
                return value

    def raised(self, value: Node) -> Node:
        braced = self.peek().text == "{"
        mark = self.peek(1) if braced else self.peek()
        if mark.kind in ("degree", "prime") and (not braced or self.peek(2).text == "}"):
            self.at += 3 if braced else 1
            if mark.kind == "degree":
                return self.degrees(value)
            return (
                node("symbol", value=f"{value.value}{mark.text}")
                if value.kind == "symbol"
                else _no("minutes")
            )
        if value.kind == "field" and mark.text in ("+", "-"):
            self.at += 3 if braced else 1
            return node("field", value=f"{value.value}{mark.text}")
        exponent = self.argument(whole=True)
        return node("power", value, exponent)

    def degrees(self, value: Node) -> Node:
        """Degrees are a unit, but for the argument of a function."""
        if self.in_function:
            return node("product", value, node("quotient", PI, _HALF_TURN))
        if self.peek().text in ("C", "F") and self.peek(1).kind in ("end", "comma"):
            self.at += 1
        return value


def _applied(operator: Token, left: Node, right: Node) -> Node:
    if left.kind in ("text", "set", "tuple", "interval") or right.kind in (
        "text",
        "set",
        "tuple",
        "interval",
    ):
        raise NotRead("no product")
    if operator.kind == "over":
        return node("quotient", left, right, value=operator.text)
    if left.kind == "number" and right.kind == "power" and right.exact:
        base, exponent = right.parts
        if base.value == 10 and abs(rational(exponent)) <= 400:
            return number(rational(left) * Fraction(10) ** int(rational(exponent)))
    return node("times", left, right)


def _fraction(quotient: Node) -> Fraction:
    top, bottom = quotient.parts
    if top.kind != "number" or bottom.kind != "number" or not bottom.value or rational(top) < 0:
        raise NotRead("no mixed number")
    return rational(top) / rational(bottom)


def _no(what: str) -> Node:
    raise NotRead(what)
