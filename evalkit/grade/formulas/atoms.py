"""The grammar of what an expression is made of: numbers, symbols, functions, roots, absolute values."""

from __future__ import annotations

import re
from fractions import Fraction

from evalkit.grade.formulas.names import MODIFIERS
from evalkit.grade.formulas.nodes import Node, negative, node, number
from evalkit.grade.formulas.operators import OPERATORS, Operators
from evalkit.grade.formulas.tokens import NotRead, Token

_BASES = {
    name: value
    for value, name in enumerate(
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], 2
    )
}
PI = node("constant", value="π")
_E = node("constant", value="e")
_REALS, _NOTHING = node("field", value="R"), node("empty")
_SAID = {"all real numbers": _REALS, "all reals": _REALS, "no solution": _NOTHING, "no solutions": _NOTHING}
_REPEATING = re.compile(r"(\d+)\.(\d*)\\overline\s?\{(\d+)\}")


class Atoms(Operators):
    """Single operands, of a list of tokens."""

    def argument(self, whole: bool = False) -> Node:
        """A group in braces, else one token (of a number its first digit, as TeX has it, unless `whole`)."""
        token = self.peek()
        if token.kind == "num" and not whole and len(token.text) > 1 and token.text.isdigit():
            self.tokens[self.at : self.at + 1] = [Token("num", token.text[0]), Token("num", token.text[1:])]
        if token.kind == "sign":
            self.at += 1
            return with_sign(token, self.argument(whole))
        return self.atom()

    def atom(self) -> Node:
        token = self.peek()
        self.at += 1
        if token.kind == "num":
            return self.numeral(token.text)
        if token.kind == "name":
            return self.symbol(token.text)
        if token.kind == "infinity":
            return node("infinity")
        if token.kind == "open" or (token.kind == "close" and token.text == "]" and self._reversed()):
            self.at -= 1
            return self.bracket()
        if token.kind == "frac":
            top = self.argument()
            return node("quotient", top, self.argument())
        if token.kind == "root":
            return self.root()
        if token.kind == "function":
            return self.function(token.text)
        if token.kind == "bar":
            return self.absolute(token.text)
        if token.kind == "binom":
            top = self.argument()
            return node("binomial", top, self.argument())
        if token.kind == "field":
            return node("field", value=token.text)
        if token.kind == "empty":
            return node("empty")
        if token.kind == "env" and token.text.startswith(r"\begin"):
            self.at -= 1
            return self.matrix()
        if token.kind == "word":
            return self.word(token.text)
        raise NotRead(token.text)

    def _reversed(self) -> bool:
        self.at -= 1
        found = self.reversed_interval()
        self.at += 1
        return found

    def numeral(self, text: str) -> Node:
        if self.peek().kind == "index":  # a number in another base
            self.at += 1
            base = self.index()
            return node("symbol", value=f"{text}_{_BASES.get(base, base)}")
        if text.isdigit() and [self.peek(i).kind for i in range(3)] == ["num", "over", "num"]:
            top, bottom = self.peek(0).text, self.peek(2).text
            if top.isdigit() and bottom.isdigit() and int(bottom[:9]) and self.peek(1).text == "/":
                self.at += 3
                return number(int(text) + Fraction(int(top), int(bottom)))
        return number(numeral(text))

    def symbol(self, name: str) -> Node:
        if name == "π":
            return PI
        if name in OPERATORS:
            return self.operator(name)
        if name in MODIFIERS:
            start = self.at
            self.argument()
            name += "".join(token.text for token in self.tokens[start : self.at] if token.text not in "{}")
        if self.peek().kind == "index":
            self.at += 1
            name += f"_{self.index()}"
        while self.peek().kind == "prime":
            self.at += 1
            name += "'"
        return node("constant", value=name) if name in ("e", "i") else node("symbol", value=name)

    def index(self) -> str:
        """The text of an index: one token, or all of a group in braces."""
        if self.peek().text != "{":
            self.at += 1
            return self.tokens[self.at - 1].text if self.at <= len(self.tokens) else ""
        depth, start = 0, self.at
        while self.at < len(self.tokens):
            text = self.tokens[self.at].text
            depth += (text == "{") - (text == "}")
            self.at += 1
            if depth == 0:
                return "".join(token.text for token in self.tokens[start + 1 : self.at - 1])
        raise NotRead("an index that is not closed")

    def root(self) -> Node:
        if self.take("open", "["):
            degree = self.sum()
            if not self.take("close", "]"):
                raise NotRead("the degree of a root")
            return node("root", self.argument(), degree)
        return node("root", self.argument(), number(2))

    def function(self, name: str) -> Node:
        base = self.indexed() if self.peek().kind == "index" else None
        exponent = None
        if self.peek().kind == "power":
            self.at += 1
            exponent = self.argument(whole=True)
        outer, self.in_function = self.in_function, True
        parts = self.arguments()
        self.in_function = outer
        if (
            exponent is not None
            and exponent.value == -1
            and name in ("sin", "cos", "tan", "cot", "sec", "csc")
        ):
            name, exponent = f"arc{name}", None
        if name == "exp":
            value = node("power", _E, parts[0])
        else:
            value = node("function", *parts, *([base] if base else []), value=name)
        return value if exponent is None else node("power", value, exponent)

    def indexed(self) -> Node:
        self.at += 1
        return self.argument(whole=True)

    def arguments(self) -> tuple[Node, ...]:
        """What a function is applied to: a group in brackets, else the product that follows."""
        token = self.peek()
        if token.kind in ("open", "bar"):
            group = self.atom()
            return group.parts if group.kind == "tuple" else (group,)
        self.deeper()
        factors = [self.signed()]
        while self.peek().kind in ("num", "name", "frac", "root") or self.peek().text == "{":
            if self.peek().kind == "num" and self.tokens[self.at - 1].kind == "num":
                raise NotRead("two numbers side by side")
            factors.append(self.powered())
        self.depth -= 1
        return (factors[0] if len(factors) == 1 else node("product", *factors),)

    def absolute(self, bar: str) -> Node:
        self.bars += 1
        value = self.sum()
        self.bars -= 1
        if not self.take("bar", bar):
            raise NotRead("a bar that is not closed")
        return node("abs", value) if bar == "|" else node("function", value, value="norm")

    def word(self, text: str) -> Node:
        """A word that begins an item: a symbol where it is one letter, else text up to the next sign."""
        if len(text) == 1 and text.isalpha() and self.peek().kind != "word":
            return self.symbol(text)
        words = [text]
        while self.peek().kind == "word":
            words.append(self.peek().text)
            self.at += 1
        said = " ".join(words)
        return _SAID.get(said) or node("text", value=said)


def with_sign(sign: Token, term: Node) -> Node:
    if sign.kind == "pm":
        return node("pm", term, value=sign.text)
    return negative(term) if sign.text == "-" else term


def numeral(text: str) -> Fraction:
    """A decimal, with or without separators or a repeating part."""
    if text.isdigit():
        return Fraction(int(text))
    if "\\overline" in text or "\\dot" in text:
        return _repeating(text)
    digits = re.sub(r",|\{,\}|\\!|\\,|\s", "", text)
    return Fraction(digits.rstrip(".") or "0")


def _repeating(text: str) -> Fraction:
    text = re.sub(r"\\dot\s?\{?(\d)\}?", r"<\1>", text)
    if "<" in text:  # the first dot to the last
        first, last = text.index("<"), text.rindex(">")
        text = f"{text[:first]}\\overline{{{re.sub('[<>]', '', text[first:last])}}}{text[last + 1 :]}"
    match = _REPEATING.fullmatch(text)
    if match is None:
        raise NotRead("a repeating decimal")
    whole, fixed, period = match.groups()
    start = int(whole + fixed)
    return Fraction(int(whole + fixed + period) - start, 10 ** len(fixed) * (10 ** len(period) - 1))
