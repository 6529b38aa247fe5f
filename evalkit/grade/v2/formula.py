r"""Read a LaTeX or plain formula into exact values: what `evalkit.score` compares.

Numbers, fractions, roots, powers, symbols, functions (opaque), tuples, sets, intervals, unions,
matrices, equations with one unknown on the left. Bounded in length and depth, total: None for
whatever is not understood, which is then compared as text.
"""

from __future__ import annotations

import re
from fractions import Fraction

from evalkit.grade.v2.polynomial import (
    Quotient,
    TooLarge,
    add,
    atom,
    constant,
    divide,
    multiply,
    negate,
    power,
)

_LONGEST = 400
_DEEPEST = 20
_FACTORS = ("frac", "sqrt", "pi", "letter", "function", "number", "command", "infinity")

_TOKEN = re.compile(
    r"(?P<number>\d{1,3}(?:(?:,|\{,\}|\\!,|,\\!|\\,)\d{3})+(?!\d)(?:\.\d+)?|\d+\.?\d*(?:\\overline\{\d+\})?|\.\d+)"
    r"|(?P<frac>\\[dtc]?frac)|(?P<sqrt>\\sqrt|√)|(?P<infinity>\\infty|∞|(?<![A-Za-z])(?:infty|[iI]nfinity)(?![A-Za-z]))|(?P<pi>\\pi|π)"
    r"|(?P<function>\\?(?:arc)?(?:sin|cos|tan|cot|sec|csc|ln|log|exp)(?![a-z]))"
    r"|(?P<times>\\times|\\cdot|\*\*?|×|·|∙)|(?P<over>\\div|÷|/)|(?P<pm>\\pm|±)|(?P<union>\\cup|∪)"
    r"|(?P<command>\\[A-Za-z]+)|(?P<letter>[A-Za-zα-ω])|(?P<sign>[-+−–])|(?P<other>[\^_{}()\[\],=<>|!;:])"
)
_DROPPED = re.compile(
    r"\\(?:left|right|bigl?|bigr?|Bigl?|Bigr?|displaystyle|quad|qquad|limits|textstyle)(?![A-Za-z])"
    r"|\\[,;:! ]|~|\$|\\\$|\\?%"
    r"|\^\{?\\circ\}?|\\degree|°|\\(?:text|mathrm|mbox|textrm|rm|textbf|operatorname)\s*\{[^{}]*\}"
)
_TEXT = re.compile(r"\\(?:text|mathrm|mbox|textrm|textbf|mathbf|operatorname|boxed|bm)\s*\{([^{}]*)\}")
_MATRIX = re.compile(r"\\begin\{([pbvBV]?matrix)\}(.*?)\\end\{\1\}", re.DOTALL)
_OR = re.compile(r"\s*(?:\\text\{\s*(?:or|and)\s*\}|\bor\b|\band\b|,|;)\s*")
_UNKNOWN = re.compile(r"\s*[A-Za-zα-ω](?:_\{?\w\}?|\([A-Za-z]\))?\s*|\s*\\[a-z]+\s*")


Value = Quotient | tuple[str, tuple["Value", ...]]


def read_formula(text: str) -> Value | None:
    """The value of a formula; None where it is too long, too large or not understood."""
    if len(text) > _LONGEST:
        return None
    try:
        return _value(text.strip().strip(".").strip(), 0)
    except (TooLarge, _NotRead, ZeroDivisionError):
        return None


def same(left: Value, right: Value) -> bool:
    """Whether two values are equal: sets without order, tuples and intervals in order."""
    if isinstance(left, Quotient) or isinstance(right, Quotient):
        try:
            return isinstance(left, Quotient) and isinstance(right, Quotient) and left.equals(right)
        except TooLarge:
            return False
    if left[0] != right[0] or len(left[1]) != len(right[1]):
        return False
    if left[0] not in ("set", "union"):
        return all(map(same, left[1], right[1]))
    rest = list(right[1])
    for member in left[1]:
        twin = next((other for other in rest if same(member, other)), None)
        if twin is None:
            return False
        rest.remove(twin)
    return True


def weight(text: str) -> int:
    """How many numbers, symbols and functions a formula is made of."""
    return sum(
        match.lastgroup not in ("other", "sign", "command") for match in _TOKEN.finditer(_TEXT.sub("", text))
    )


class _NotRead(Exception):
    pass


def _value(text: str, depth: int) -> Value:
    """Split at unions, commas and brackets down to single expressions."""
    if depth > 3:
        raise _NotRead
    matrix = _MATRIX.fullmatch(text.strip())
    if matrix:
        rows = [row.split("&") for row in re.split(r"\\\\", matrix[2]) if row.strip()]
        return ("matrix", tuple(("tuple", tuple(_value(cell, depth + 1) for cell in row)) for row in rows))
    text = text.replace(r"\left", "").replace(r"\right", "").replace(r"\{", "⟨").replace(r"\}", "⟩").strip()
    sides = re.split(r"(?<![<>!:])=", text)
    if len(sides) == 2 and _UNKNOWN.fullmatch(sides[0]):
        return _value(sides[1], depth + 1)
    if re.search(r"\\in(?![a-z])", text):
        return _value(re.split(r"\\in(?![a-z])", text)[-1], depth + 1)
    united = re.split(r"\\cup(?![a-z])|∪", text)
    if len(united) > 1:
        return ("union", tuple(_value(part, depth + 1) for part in united))
    inner, kind = _unbracket(text)
    parts = _split(inner)
    if kind == "set" or (len(parts) > 1 and kind):
        return (kind, tuple(_value(part, depth + 1) for part in parts if part.strip()))
    if len(parts) > 1:
        return ("set", tuple(_value(part, depth + 1) for part in parts))
    return _Parser(text).whole()


def _unbracket(text: str) -> tuple[str, str]:
    """The inside of one pair of brackets around all of it, and what they make of a list."""
    if len(text) < 2 or text[0] not in "([⟨" or text[-1] not in ")]⟩" or len(_split(text)) > 1:
        return text, ""
    kinds = {"()": "tuple", "[]": "closed", "[)": "right-open", "(]": "left-open", "⟨⟩": "set"}
    kind = kinds.get(text[0] + text[-1])
    return (text[1:-1], kind) if kind else (text, "")


def _split(text: str) -> list[str]:
    """Split at "or", "and" and commas outside brackets (a comma in 10,000 does not split)."""
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        if text[at] in "([{⟨":
            depth += 1
        elif text[at] in ")]}⟩":
            depth -= 1
        elif depth == 0:
            cut = _OR.match(text, at)
            if cut and not (
                text[at] == "," and re.match(r"\d{3}(?!\d)", text[at + 1 :]) and text[at - 1 : at].isdigit()
            ):
                parts.append(text[start:at])
                start = at = cut.end()
                continue
        at += 1
    return [*parts, text[start:]]


class _Parser:
    """Recursive descent over one expression; raises _NotRead where it is no expression."""

    def __init__(self, text: str) -> None:
        text = _DROPPED.sub(" ", text)
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match and match.lastgroup:
                self.tokens.append((match.lastgroup, match.group()))
                at = match.end()
            elif text[at].isspace():
                at += 1
            else:
                raise _NotRead
        self.at = 0
        self.depth = 0

    def whole(self) -> Quotient:
        value = self.sum()
        if self.at < len(self.tokens):
            raise _NotRead
        return value

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, text: str) -> bool:
        if self.peek()[1] == text:
            self.at += 1
            return True
        return False

    def sum(self) -> Quotient:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _NotRead
        value = self.product()
        while self.peek()[0] in ("sign", "pm"):
            kind, sign = self.peek()
            self.at += 1
            term = self.product()
            if kind == "pm":
                term = multiply(atom("±"), term)
            value = add(value, term if sign == "+" or kind == "pm" else negate(term))
        self.depth -= 1
        return value

    def product(self) -> Quotient:
        value = self.signed()
        while True:
            kind, text = self.peek()
            if kind in ("times", "over"):
                self.at += 1
                value = (multiply if kind == "times" else divide)(value, self.signed())
            elif kind in _FACTORS or text in ("(", "{"):
                value = self.adjacent(value)
            else:
                return value

    def adjacent(self, value: Quotient) -> Quotient:
        """Two factors side by side; a whole number before a fraction of numbers is a mixed number."""
        mixed = self.peek()[0] == "frac" and self.tokens[self.at - 1][0] == "number"
        if self.peek()[0] == "number" and self.tokens[self.at - 1][0] == "number":
            raise _NotRead
        factor = self.powered()
        return add(value, factor) if mixed and factor.number() is not None else multiply(value, factor)

    def signed(self) -> Quotient:
        kind, sign = self.peek()
        if kind in ("sign", "pm"):
            self.at += 1
            value = self.signed()
            return multiply(atom("±"), value) if kind == "pm" else value if sign == "+" else negate(value)
        return self.powered()

    def powered(self) -> Quotient:
        value = self.factor()
        if self.take("^"):
            value = power(value, self.argument())
        return value

    def argument(self) -> Quotient:
        """A group in braces, else one token (of a number: its first digit, as TeX has it)."""
        kind, text = self.peek()
        if kind == "number" and len(text) > 1 and text.isdigit():
            self.tokens[self.at : self.at + 1] = [("number", text[0]), ("number", text[1:])]
        return self.signed() if kind == "sign" else self.factor()

    def factor(self) -> Quotient:
        kind, text = self.peek()
        self.at += 1
        if kind == "number":
            return constant(_number(text))
        if kind in ("letter", "pi", "infinity"):
            return self.symbol("pi" if kind == "pi" else "infinity" if kind == "infinity" else text)
        if text in ("{", "("):
            value = self.sum()
            if not self.take("}" if text == "{" else ")"):
                raise _NotRead
            return value
        if kind == "frac":
            top = self.argument()
            return divide(top, self.argument())
        if kind == "sqrt":
            return self.root()
        if kind == "function":
            return self.function(text.lstrip("\\"))
        if kind == "command":
            return self.symbol(text)
        raise _NotRead

    def symbol(self, name: str) -> Quotient:
        """A symbol, with its index where it has one."""
        if self.take("_"):
            start = self.at
            self.argument()
            name += "_" + "".join(text for _, text in self.tokens[start : self.at]).strip("{}")
        return atom(name)

    def root(self) -> Quotient:
        degree = constant(Fraction(2))
        if self.take("["):
            degree = self.sum()
            if not self.take("]"):
                raise _NotRead
        return power(self.argument(), divide(constant(Fraction(1)), degree))

    def function(self, name: str) -> Quotient:
        if self.take("_"):
            name += "_" + self.argument().key()
        raised = self.argument() if self.take("^") else None
        value = atom(f"{name}({self.powered().key()})")
        return value if raised is None else power(value, raised)


def _number(text: str) -> Fraction:
    """A decimal, with or without separators or a repeating part."""
    repeating = re.fullmatch(r"(\d+)\.(\d*)\\overline\{(\d+)\}", text)
    if repeating:
        whole, fixed, period = repeating.groups()
        if len(text) > 60:
            raise TooLarge("number")
        start = int(whole + fixed)
        return Fraction(int(whole + fixed + period) - start, 10 ** len(fixed) * (10 ** len(period) - 1))
    if "overline" in text:
        raise _NotRead
    digits = re.sub(r",|\{,\}|\\!|\\,", "", text)
    return Fraction(digits.rstrip(".") or "0")
