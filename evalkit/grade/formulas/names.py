r"""Recognise a name that is told a value: `f^{-1}(x)`, `a_n`, `m_{\max}`, `(p,q)`, `\text{Area}`, `AB`.

A name may be missing in an answer or a gold; an expression may not.
"""

from __future__ import annotations

from evalkit.grade.formulas.nodes import Node, node
from evalkit.grade.formulas.tokens import Token

_LONGEST = 40
MODIFIERS = frozenset(
    {
        r"\bar",
        r"\vec",
        r"\hat",
        r"\tilde",
        r"\overline",
        r"\widehat",
        r"\overrightarrow",
        r"\Delta",
        r"\angle",
        r"\triangle",
    }
)
_TOLD = ("=", "~")


def read_name(tokens: list[Token], at: int) -> tuple[Node, int] | None:
    """The name that begins at `at` and its end, where a sign of equality follows; else None.

    Plain symbols are left to the grammar of expressions. The node has kind "name", its value is the text.
    """
    end = _end_of_name(tokens, at)
    if end is None or end >= len(tokens) or tokens[end].kind != "rel" or tokens[end].text not in _TOLD:
        return None
    text = "".join(token.text for token in tokens[at:end] if token.text not in ("{", "}"))
    parts: tuple[Node, ...] = ()
    if tokens[at].text == "(":
        parts = tuple(node("symbol", value=token.text) for token in tokens[at:end] if token.kind == "name")
    return Node("name", parts, text), end


def _end_of_name(tokens: list[Token], at: int) -> int | None:
    if at >= len(tokens):
        return None
    first = tokens[at]
    if first.kind == "word":
        return _end_of_label(tokens, at)
    if first.text == "(":
        return _end_of_symbols(tokens, at)
    if first.kind != "name":
        return None
    end = at + 1
    if first.text in MODIFIERS:
        closed = _closed(tokens, end) if _text(tokens, end) == "{" else end + 1
        if closed is None:
            return None
        end = closed
    else:
        while (
            first.text.isupper()
            and end < len(tokens)
            and tokens[end].kind == "name"
            and tokens[end].text.isupper()
        ):
            end += 1  # AB, the segment
    plain = end == at + 1
    if _text(tokens, end) == "_":
        closed = _closed(tokens, end + 1) if _text(tokens, end + 1) == "{" else end + 2
        if closed is None:
            return None
        end, plain = closed, False
    while end < len(tokens) and tokens[end].kind == "prime":
        end, plain = end + 1, False
    inverse = [token.text for token in tokens[end : end + 5]]
    if inverse == ["^", "{", "-", "1", "}"]:
        end, plain = end + 5, False
    if _text(tokens, end) == "(":
        closed = _closed(tokens, end)
        if closed is None or not _is_application(tokens, at, end, closed):
            return None
        return closed
    return None if plain else end


def _is_application(tokens: list[Token], at: int, opening: int, end: int) -> bool:
    """Whether name and bracket are f(x), no product as x(x+1): symbols alone, or a capital before."""
    inside = tokens[opening + 1 : end - 1]
    if all(token.kind in ("name", "comma") for token in inside):
        return tokens[at].text not in [token.text for token in inside]
    if len(inside) == 1 and inside[0].kind == "num":
        return True
    return tokens[at].text.isupper() or tokens[at].text in ("f", "g", "h", r"\psi", r"\phi")


def _end_of_label(tokens: list[Token], at: int) -> int | None:
    """Words and what is written among them, up to the sign of equality."""
    end = at
    while end < len(tokens) and tokens[end].kind in ("word", "name", "num") and end - at < _LONGEST:
        end += 1
    if _text(tokens, end) == "(":
        return _closed(tokens, end)
    return end


def _end_of_symbols(tokens: list[Token], at: int) -> int | None:
    end = _closed(tokens, at)
    if end is None or not all(
        token.kind in ("name", "comma", "index", "num") for token in tokens[at + 1 : end - 1]
    ):
        return None
    return end if any(token.kind == "comma" for token in tokens[at + 1 : end - 1]) else None


def _closed(tokens: list[Token], at: int) -> int | None:
    """After the bracket that closes the one at `at`, at most some tokens on."""
    depth = 0
    for end in range(at, min(len(tokens), at + _LONGEST)):
        depth += (tokens[end].kind == "open") - (tokens[end].kind == "close")
        if depth == 0:
            return end + 1
    return None


def _text(tokens: list[Token], at: int) -> str:
    return tokens[at].text if at < len(tokens) else ""
