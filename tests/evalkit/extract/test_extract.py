"""What holds for every extraction rule: total, pure, linear, the same from every thread and process.

pytest tests/evalkit/extract/test_extract.py
"""

from __future__ import annotations

import multiprocessing
import random
import time
from concurrent.futures import ThreadPoolExecutor

import extraction_corpus as corpus
import pytest
from extraction_corpus import HOSTILE, read_all
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from evalkit.extract.numbers import canonical, is_float_print_of
from evalkit.extract.reading import extract
from evalkit.extract.region import region
from evalkit.extract.rules import RULES, resolve_rule
from evalkit.grade.explain import explain
from evalkit.grade.grade import grade
from evalkit.grade.judge import judge
from prompts.errors import UserError

TEXTS = [case["text"] for _, case in corpus.own_cases()]
PIECES = sorted({piece for text in TEXTS for piece in text.split()} | set(HOSTILE))
made = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=40).map(" ".join) | st.text(
    max_size=300
)


def mutated(random_: random.Random) -> str:
    """A text of the corpus with pieces of others cut in, characters dropped and doubled."""
    text = random_.choice(TEXTS)
    for _ in range(random_.randrange(1, 6)):
        at, other = random_.randrange(len(text) + 1), random_.choice(TEXTS)
        cut = random_.randrange(len(other) + 1)
        text = random_.choice(
            (text[:at] + other[cut:], text[:at] + text[at + 1 :], text[:at] + other[:cut] + text[at:])
        )
    return text[:2000]


@settings(max_examples=400)
@given(made, st.sampled_from(sorted(RULES)))
def test_total_and_pure(text: str, rule: str) -> None:
    found = extract(text, rule)
    assert found == extract(text, rule)
    assert found.rule.startswith(resolve_rule(rule)[0])
    if found.answer is None:
        assert found.span is None
    else:
        assert found.span is not None
        assert 0 <= found.span[0] <= found.span[1] <= len(text)
    for gold in ("18", "\\frac{1}{2}", "x+1", "A", "(1,2)", text[:50]):
        grade(found, gold)


@settings(max_examples=300)
@given(made, st.sampled_from(sorted(RULES)), st.sampled_from(["18", "5", "0.5", "B", "\\sqrt{2}"]))
def test_strictly_right_is_leniently_right(text: str, rule: str, gold: str) -> None:
    judgement = judge(text, gold, rule)
    if judgement.grade.outcome == "correct":
        assert judgement.lenient_outcome == "correct"


def test_mutated_texts() -> None:
    """A sample of what was run once with a million texts (docs/extraction.md)."""
    random_ = random.Random(5)
    for _ in range(3000):
        text = mutated(random_)
        for found in read_all(text):
            grade(found, random_.choice(TEXTS)[:40])


def test_same_from_threads_and_processes() -> None:
    random_ = random.Random(6)
    texts = [mutated(random_) for _ in range(300)]
    alone = [read_all(text) for text in texts]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(read_all, texts)) == alone
    with multiprocessing.get_context("spawn").Pool(2) as workers:
        assert workers.map(read_all, texts, chunksize=50) == alone


@pytest.mark.parametrize("piece", HOSTILE, ids=ascii)
def test_linear_on_texts_made_to_hurt(piece: str) -> None:
    """Reading and scoring 1 MB takes at most 40 times as long as a sixteenth of it, or next to no time."""

    def seconds(size: int) -> float:
        text = piece * (size // len(piece)) + "18"
        start = time.process_time()
        for found in read_all(text):
            grade(found, "x+1")
        return time.process_time() - start

    small, large = min(seconds(62_500) for _ in range(2)), min(seconds(1_000_000) for _ in range(2))
    assert large < max(40 * small, 0.4)


def test_nested_content_is_bounded() -> None:
    for left, right in (
        ("\\(", "\\)"),
        ("\\text{", "}"),
        ("{", "}"),
        ("(", ")"),
        ("\\sqrt{", "}"),
        ("\\frac1{", "}"),
    ):
        for depth in (20, 300, 3000):
            text = "\\boxed{" + left * depth + "18" + right * depth + "}"
            start = time.process_time()
            grade(extract(text, "math"), "\\frac{18}{x}")
            assert time.process_time() - start < 1


@given(st.integers(-(10**30), 10**30), st.integers(0, 12), st.sampled_from(["", "0", "00"]))
def test_canonical_is_the_value(whole: int, places: int, zeros: str) -> None:
    """One string for each value: with leading and trailing zeros, separators, currency, sign."""
    digits = str(abs(whole)).rjust(places + 1, "0")
    number = digits[:-places] + "." + digits[-places:] if places else digits
    sign = "-" if whole < 0 else ""
    expected = canonical(sign + number)
    assert expected is not None
    assert canonical(f"{sign}0{number}") == expected
    assert canonical(f"{sign}${number}") == expected
    assert canonical(f"−{number}" if sign else f"+{number}") == expected
    if places:
        assert canonical(sign + number + zeros) == expected
    else:
        assert canonical(sign + number + ".0" + zeros) == expected
        assert canonical(f"{sign}{abs(whole):,}") == expected


@given(st.integers(-999, 999), st.integers(1, 999), st.integers(2, 9))
def test_fractions_are_reduced(top: int, bottom: int, factor: int) -> None:
    assert canonical(f"{top}/{bottom}") == canonical(f"{top * factor}/{bottom * factor}")
    assert canonical(f"\\frac{{{top}}}{{{bottom}}}") == canonical(f"{top}/{bottom}")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("123456789012345/10", "12345678901234.5"),
        ("1234567890123451/10", "1234567890123451/10"),
        ("-\\frac{2469135780246902}{20}", "-1234567890123451/10"),
        ("123456789012345 1/10", "1234567890123451/10"),
        ("12345678901234510/10", "1234567890123451"),
        ("123456789012345.1", "123456789012345.1"),
    ],
)
def test_a_fraction_is_no_decimal_that_a_float_could_have_printed(text: str, number: str) -> None:
    assert canonical(text) == number


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(2, 10**3))
@example(40, 9, 2)
def test_what_python_prints_of_a_fraction(top: int, bottom: int, off: int) -> None:
    """With its 16 or 17 digits it is the fraction's; that of a neighbour 2e-14 or more away is not."""
    printed, gold = canonical(repr(-top / bottom)), canonical(f"-{top}/{bottom}")
    assume(printed is not None and gold is not None and len(printed.strip("-0.").replace(".", "")) > 15)
    assert is_float_print_of(str(printed), str(gold))
    assert not is_float_print_of(str(canonical(repr(-top / bottom * (1 + off * 1e-14)))), str(gold))


def test_huge_numbers_are_not_built() -> None:
    start = time.process_time()
    assert canonical("1e999999999") != canonical("1e999999998")
    assert canonical("1" * 100_000) != canonical("1" * 99_999)
    assert canonical("1" + "0" * 5000) == canonical("1e5000")
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("#### 1e999999999, or 7", "1e999999999, or 7"),
        ("\\boxed{7}, or 1e-999999999", None),
        ("1e999999999%, or 1e999999997", "1e999999999"),
        ("#### 1e-999999999, or 0.001", "1e-999999999"),
    ],
)
def test_huge_numbers_are_compared_with_a_second_value(text: str, answer: str | None) -> None:
    start = time.process_time()
    assert extract(text, "lenient").answer == answer
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "text",
    [
        "<think>#### 18",
        "Question: is it\n#### 18?",
        "#### 18\n\nQuestion: 2+1?\n#### 3",
        "Question: " * 65 + "#### 18",
    ],
    ids=ascii,
)
def test_region_is_part_of_the_text(text: str) -> None:
    lo, hi = region(text)
    assert 0 <= lo <= hi <= len(text)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("boxd", "did you mean boxed"),
        ("boxed@9", "there are boxed@1"),
        ("boxed@", "boxed"),
        ("boxed@x", "there are boxed@1"),
        ("zzz", "there are hash"),
        ("", "there are hash"),
    ],
)
def test_unknown_rule(rule: str, says: str) -> None:
    if rule == "boxed@":
        assert extract("\\boxed{1}", rule).answer == "1"
        return
    with pytest.raises(UserError, match=says):
        extract("18", rule)


def test_lenient_names_its_member_and_what_it_passed_over() -> None:
    found = extract("#### 18\nNo. The answer is 20.", "lenient")
    assert (found.answer, found.rule, found.alternatives) == ("20", "lenient@3/answer-is", ("18",))


def test_explain_tells_why() -> None:
    told = explain("<think>3</think>#### 18\nNo, \\boxed{20}")
    assert told.extraction.answer == "20"
    assert told.region[0] == len("<think>3</think>")
    assert {candidate.kind for candidate in told.candidates} >= {"hash", "boxed"}
    assert "last" in told.why
    assert "own marker" in explain("#### 18", "hash").why
    assert explain("nothing").extraction.answer is None
