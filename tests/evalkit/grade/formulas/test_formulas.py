"""What formulas state, and whether two state the same.

pytest tests/evalkit/grade/formulas/test_formulas.py
"""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.grade.formulas.equal import equal, multiple
from evalkit.grade.formulas.nodes import Node
from evalkit.grade.formulas.parse import parse
from evalkit.grade.formulas.reading import compare, read
from evalkit.grade.formulas.regions import region
from evalkit.grade.formulas.tokens import NotRead


def tree(text: str) -> Node:
    (item,) = parse(text).items
    return item


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("3 (x-1)", ["product"]), ("x+y=2", ["chain"]), ("(1,2), (3,4)", ["tuple", "tuple"]),
        ("[1,2)", ["interval"]),
        ("]1,2[", ["interval"]), (r"\{1,2\}", ["set"]), (r"\{x \mid x>2\}", ["builder"]),
        (r"\mathbb{R}\setminus\{2\}", ["without"]),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", ["matrix"]), ("5!", ["factorial"]),
        (r"1\frac{4}{5}", ["number"]), (r"0.\dot{3}", ["number"]),
        (r"\pm 3", ["pm"]), (r"19, 46, \text{ and } 82", ["number"] * 3), ("5 cm", ["number"]),
        (r"\emptyset", ["empty"]),
    ],
)  # fmt: skip
def test_what_an_item_is(text: str, kinds: list[str]) -> None:
    assert [item.kind for item in parse(text).items] == kinds


@pytest.mark.parametrize(
    "text",
    ["5 4.6", "{", "x+", "(1,2", r"\sum_{k=1}^{n} k", "a ship", "", r"\frac{1}{", "3 dogs 4", "]", "|x"],
)
def test_what_is_no_formula(text: str) -> None:
    with pytest.raises(NotRead):
        parse(text)


def test_bounds_are_kept() -> None:
    """Too long, too deep, too large: refused or unequal, at once."""
    for text in (
        "1+" * 3000 + "1",
        "(" * 500 + "1" + ")" * 500,
        "{" * 900,
        "-" * 1500 + "1",
        "\\frac" * 390,
        "9^" * 700 + "9",
    ):
        start = time.process_time()
        assert compare(read("2"), read(text)) != "same"
        assert time.process_time() - start < 2
    assert not equal(tree("9^{9^{9^{9}}}"), tree("9"))
    assert not equal(tree("2^{99999}"), tree("2^{99998}"))
    assert compare(read("1"), read("1000000!")) == "other"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (r"\frac{1}{\sqrt2}", r"\frac{\sqrt2}{2}"), ("(x+1)^2", "x^2+2x+1"),
        (r"\sin 2x", r"2\sin x\cos x"), (r"e^{i\pi}", "-1"),
        (r"\sqrt{-3}", r"i\sqrt3"), (r"\log_2 8", "3"), (r"2\cos 40^\circ", r"2\sin 50^\circ"),
        (r"\sqrt[3]{-8}", "-2"),
        (r"5^{\frac{n-2}{2}}", r"(\sqrt5)^{n-2}"), (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"),
        (r"|x|", r"\sqrt{x^2}"),
    ],
)  # fmt: skip
def test_equal(left: str, right: str) -> None:
    assert equal(tree(left), tree(right)) and equal(tree(right), tree(left))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (r"\sqrt{x^2}", "x"), (r"\ln|x|", r"\ln x"), ("10^{60}+1", "10^{60}"),
        (r"\sqrt2", "1.4142135623730950488016887242096980785696718753769480731766797"),
        (r"\lfloor\sqrt{n-1}\rfloor", r"\lfloor\sqrt{n-2}\rfloor"), ("x", "y"), (r"\ln 2", r"\log 2"),
        ("X", "x"),
    ],
)  # fmt: skip
def test_not_equal(left: str, right: str) -> None:
    assert not equal(tree(left), tree(right))


def test_multiples() -> None:
    assert multiple(tree("x+y-2"), tree("4-2x-2y"))
    assert not multiple(tree("x+y-2"), tree("x+y-3"))
    assert not multiple(tree("x+y"), tree("x(x+y)"))
    assert not multiple(tree("x-x"), tree("y-y"))


def test_regions() -> None:
    whole, _ = region(tree(r"(-\infty,2)\cup[2,\infty)"), True)
    assert len(whole) == 1
    assert region(tree(r"x \ne 2"))[0] == region(tree(r"\mathbb{R}\setminus\{2\}"))[0]
    with pytest.raises(NotRead):
        region(tree("[3,1]"))


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=5), st.integers(1, 9), st.integers(1, 9))
def test_polynomials(coefficients: list[int], factor: int, moved: int) -> None:
    """A polynomial equals itself in another order and with a factor taken out, and no other one."""
    terms = [f"({c})x^{{{power}}}" for power, c in enumerate(coefficients)]
    one = tree("+".join(terms))
    assert equal(one, tree("+".join(reversed(terms))))
    assert equal(one, tree(f"\\frac{{{factor}({'+'.join(terms)})}}{{{factor}}}"))
    assert not equal(one, tree("+".join(terms) + f"+{moved}"))


@given(st.fractions(max_denominator=999), st.fractions(max_denominator=999))
def test_numbers_are_exact(one: Fraction, other: Fraction) -> None:
    trees = [tree(f"\\frac{{{value.numerator}}}{{{value.denominator}}}") for value in (one, other)]
    assert equal(*trees) == (one == other)


@given(st.text(alphabet="(){}[]|,;=<>+-*/^_!.0123xyz\\ fracsqtinp", max_size=60), st.text(max_size=40))
def test_total(left: str, right: str) -> None:
    assert compare(read(left), read(left)) in ("same", "other")
    compare(read(left), read(right))
