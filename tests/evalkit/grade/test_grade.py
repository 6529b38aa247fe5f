"""Comparing answers with golds: exact, without tolerance, with a reason.

pytest tests/evalkit/grade/test_grade.py
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evalkit.extract.reading import extract
from evalkit.extract.rules import RULES
from evalkit.grade.check_golds import check_golds, neighbours, written
from evalkit.grade.grade import gold_problem, grade
from evalkit.grade.v2.formula import read_formula, same
from evalkit.records import Extraction, Row
from prompts.registry import load_templates


def outcome(answer: str | None, gold: str | None, rule: str = "boxed@1") -> str:
    return grade(Extraction(answer, rule), gold).outcome


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("18", "18"), ("18", "18.0"), ("18", " 18 "), ("1000", "1,000"),
        ("0.5", "1/2"), ("0.5", "\\frac{1}{2}"), ("18", "$18"), ("50", "50\\%"),
        ("2.5", "2\\frac{1}{2}"), ("48g", "48"), ("5 cm", "5"), ("2.0000000000000004", "2"),
        ("33.333333333333336", "100/3"), ("0.30000000000000004", "0.3"), ("\\sqrt{12}", "2\\sqrt{3}"),
        ("\\frac{1}{\\sqrt2}", "\\frac{\\sqrt{2}}{2}"), ("(x+1)^2", "x^2+2x+1"), ("x=5", "5"),
        ("\\{2,1\\}", "\\{1,2\\}"), ("1 \\text{ or } 2", "2, 1"), ("[0,\\infty)", "[0, \\infty)"),
        ("(3,4)\\cup(1,2)", "(1,2) \\cup (3,4)"), ("\\text{Yes}", "yes"), ("(C)", "C"),
        ("188.38009643554688", "12345678/65536"), ("0.6666666666666666", "2/3"),
        ("6.666666666666667", "20/3"), ("773989449188269/5", "154797889837653.8"),
        ("2:00 pm", "2:00 PM"), ("\\sqrt[3]{8}", "2"), ("\\sin(x)+1", "1+\\sin x"), ("90^\\circ", "90"),
    ],
)  # fmt: skip
def test_equal(answer: str, gold: str) -> None:
    assert outcome(answer, gold) == "correct"


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("18", "1800"), ("18", "0.18"), ("50%", "0.5"), ("0.5", "50"), ("18", "-18"),
        ("18.000000001", "18"), ("33.33", "100/3"), ("0.1", "0.10000000000000001"),
        ("1234567", "1234600"), ("1 1", "11"), ("4t", "4"), ("16-3-4", "9"), ("9*2", "18"),
        ("\\frac{36+0}{2}", "18"), ("3t+4-6t+7t-4", "4t"), ("(1,2)", "(2,1)"), ("[0,1)", "[0,1]"),
        ("9^{9^{9^{9}}}", "9"), ("1e400", "1e401"), ("2:00 pm", "200"), ("10:21", "1021"),
        ("\\sin x", "\\cos x"), ("x+1", "x"), ("5 and 3", "5"), ("1/0", "0"), ("", "0"), ("i", "1"),
        ("B", "C"), ("773989449188269/5", "154797889837654"), ("154797889837653 4/5", "773989449188270/5"),
        ("773989449188269/5 cm", "154797889837654"), ("154797889837653.8/1", "154797889837654"),
        ("0.6666666666666661", "2/3"),
    ],
)  # fmt: skip
def test_not_equal(answer: str, gold: str) -> None:
    assert outcome(answer, gold) == "wrong"


@pytest.mark.parametrize("gold", [None, "", "  "])
def test_no_gold_is_unscored(gold: str | None) -> None:
    for rule in RULES:
        verdict = grade(Extraction("18", f"{rule}@1"), gold)
        assert (verdict.outcome, verdict.reason) == ("unscored", "no gold")


def test_no_answer_is_not_wrong() -> None:
    verdict = grade(Extraction(None, "hash@1"), "18")
    assert (verdict.outcome, verdict.reason) == ("no_answer", "hash@1 found no answer")


def test_gold_that_is_no_number_under_a_numeric_rule() -> None:
    assert gold_problem("\\sqrt{2}", "hash@1") == "gold is no number"
    assert gold_problem("\\sqrt{2}", "boxed@1") is None
    assert gold_problem("\\frac{1}{2}", "hash") is None
    assert outcome("2", "two apples", "last-number@1") == "unscored"


def test_peers_compare_as_text() -> None:
    assert outcome("18.", "18", "verl-gsm8k-flexible@1") == "wrong"
    assert outcome("18.", "18", "lm-eval-flexible@1") == "correct"
    assert outcome("18.0", "18", "lm-eval-strict@1") == "wrong"


@given(st.text(max_size=60), st.text(max_size=60))
def test_total_and_symmetric_for_texts(left: str, right: str) -> None:
    assert outcome(left, left) == ("correct" if left.strip() else "unscored")
    grade(Extraction(left, "math@1"), right)


@given(st.fractions(max_denominator=10**6), st.integers(2, 50))
@example(Fraction(773989449188269, 5), 2)
def test_fractions(value: Fraction, factor: int) -> None:
    top, bottom = value.numerator, value.denominator
    assert outcome(f"\\frac{{{top * factor}}}{{{bottom * factor}}}", f"{top}/{bottom}") == "correct"
    assert outcome(f"{top}/{bottom}", f"{top + 1}/{bottom}") == "wrong"


@given(st.integers(), st.integers(1, 40))
def test_a_fraction_equals_its_decimal(value: int, places: int) -> None:
    """Of whatever length, and either may be the gold."""
    digits = str(abs(value)).rjust(places + 1, "0")
    decimal = f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"
    fraction = f"{value}/{10**places}"
    for answer, gold in ((decimal, fraction), (fraction, decimal)):
        assert grade(Extraction(answer, "boxed@1"), gold).reason == "equal"


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=4), st.integers(1, 9), st.integers(-9, 9))
def test_polynomials(coefficients: list[int], factor: int, point: int) -> None:
    """A polynomial equals itself in another order and with a factor taken out, and no other one."""
    terms = [f"({c})x^{{{power}}}" for power, c in enumerate(coefficients)]
    one, other = read_formula("+".join(terms)), read_formula("+".join(reversed(terms)))
    scaled = read_formula(f"\\frac{{{factor}({'+'.join(terms)})}}{{{factor}}}")
    moved = read_formula("+".join(terms) + f"+{abs(point) + 1}")
    assert one and other and scaled and moved
    assert same(one, other) and same(one, scaled) and not same(one, moved)


def test_neighbours_differ() -> None:
    assert list(neighbours("18")) == ["19", "-18", "180"]
    assert list(neighbours("-5")) == ["-6", "5", "-50"]
    assert list(neighbours("0")) == ["1"]
    assert list(neighbours("2/3")) == ["2/4", "-2/3"]
    assert list(neighbours("E")) == ["A"]


@pytest.mark.parametrize("gold", ["18", "-5", "0", "3.25", "1000", "2/3", "1,234", "70000"])
def test_golds_pass_their_own_test(gold: str) -> None:
    report = check_golds([Row(id="r", question="q", gold=gold)], list(load_templates().values()))
    assert report.failures == ()
    assert report.texts > 0


def test_check_golds_can_fail() -> None:
    """A gold that no rule reads as itself is told."""
    template = load_templates()["gsm8k-boxed@1"]
    report = check_golds([Row(id="r", question="q", gold="18}{")], [template])
    assert report.failures
    report = check_golds([Row(id="r", question="q", gold=None, problem="no gold")], [template])
    assert (report.texts, report.unscored) == (0, 1)


@pytest.mark.parametrize("rule", ["hash", "boxed", "math", "answer-is", "json", "last-number", "lenient"])
def test_written_is_read(rule: str) -> None:
    assert extract(written("1,234.5", rule), rule).answer == "1234.5"
