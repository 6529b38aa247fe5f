"""Rule `choice`: options of a question, boxes beside declarations, long texts.

pytest tests/evalkit/extract/test_letter.py (the cases by form: tests/corpora/extraction/choice.jsonl)
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.extract.choice.options import ALL, count_options, options_of
from evalkit.extract.reading import extract
from evalkit.grade.judge import judge

QUESTION = "Which city is the capital of Norway?\nA) Bergen\nB) Oslo\nC) Narvik"


def test_options_of_a_question() -> None:
    assert count_options(QUESTION) == 3
    assert count_options("(A) 1 (B) 2 (C) 3 (D) 4 (E) 5") == 5
    assert count_options("What is 2 + 2?") == ALL
    assert options_of({"choices": ["x", "y"]}) == 2
    assert options_of({"options": {"A": "x", "B": "y", "C": "z"}}) == 3
    assert options_of({"choices": {"text": ["x", "y"], "label": ["A", "B"]}}) == 2
    assert options_of({"question": QUESTION}) == 3
    assert options_of({}) == ALL


def test_a_letter_beyond_the_options_is_no_answer() -> None:
    assert extract("The answer is D.", "choice", options=3).answer is None
    assert extract("The answer is D.", "choice").answer == "D"
    assert judge("The answer is D.", "B", "choice", question=QUESTION).grade.outcome == "no_answer"
    assert judge("The answer is B.", "B", "choice", question=QUESTION).grade.outcome == "correct"


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("\\boxed{B}\n\nOption A is wrong.", "B"), ("Answer: B\n\\boxed{12}", "B"), ("\\boxed{12}", None),
        ("\\boxed{A}. No, wait. The answer is C.", "C"), ("The answer is C. \\boxed{", None),
        ("\\boxed{A or B}", None),
    ],
)  # fmt: skip
def test_boxes_and_declarations(text: str, letter: str | None) -> None:
    assert extract(text, "choice").answer == letter


def test_the_first_version_is_kept() -> None:
    text = "Answer: C. Option A is incorrect because it is small."
    assert extract(text, "choice@1").answer == "A"
    assert extract(text, "choice@2").answer == "C"
    assert judge(text, "H", "choice@1", version=2).grade.outcome == "unscored"


@given(st.text(alphabet="ABCI ():.\n*answer isotr,nt", max_size=120))
def test_total(text: str) -> None:
    found = extract(text, "choice")
    assert found.answer is None or (found.span is not None and text[found.span[0]].upper() == found.answer)
