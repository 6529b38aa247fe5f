"""Half an answer at the end of a completion that was cut off is none, in evaluation and training alike.

pytest tests/evalkit/grade/test_cut.py
"""

from __future__ import annotations

import pytest

from evalkit.grade.judge import CUT, Judge, judge


@pytest.mark.parametrize(
    ("text", "rule", "gold"),
    [
        ("#### 1", "hash", "1"), ("The answer is 12", "answer-is", "12"), ("Answer: 12.", "answer-is", "12"),
        ("The answer is 12 ", "lenient", "12"), ('{"answer": 1', "json", "1"), ("Answer: C", "choice", "C"),
        ("So she has 1", "lenient", "1"), ("and 1,", "last-number", "1"),
        ("\\boxed{5} is wrong. The answer is 1", "lenient", "1"),
    ],
)  # fmt: skip
def test_an_answer_at_the_cut_is_none(text: str, rule: str, gold: str) -> None:
    assert judge(text, gold, rule).grade.outcome == "correct"
    cut = judge(text, gold, rule, truncated=True)
    assert (cut.grade.outcome, cut.lenient_outcome, cut.extraction.answer) == ("no_answer", "no_answer", None)
    assert cut.grade.reason == CUT


@pytest.mark.parametrize(
    ("text", "rule", "gold"),
    [
        ("\\boxed{12}", "boxed", "12"), ("\\boxed{12} Let me", "math", "12"), ("#### 12\n", "hash", "12"),
        ("#### 12\nNow the next que", "hash", "12"), ("**Answer: 12**", "answer-is", "12"),
        ("The answer is $12$", "math", "12"), ('{"answer": "12"', "json", "12"),
        ("<answer>12</answer>", "lenient", "12"),
        ("The answer is 12 dollars", "lenient", "12"), ("The answer is C because the", "choice", "C"),
        ("The answer is 18\nThe answer is 18\nThe answer is", "lenient", "18"),
    ],
)  # fmt: skip
def test_an_answer_before_the_cut_stands(text: str, rule: str, gold: str) -> None:
    assert judge(text, gold, rule, truncated=True).grade.outcome == "correct"


def test_older_scorers_and_peers_read_on() -> None:
    assert judge("#### 1", "1", "hash@2", version=3, truncated=True).grade.outcome == "correct"
    assert judge("#### 1", "1", "verl-gsm8k-strict", truncated=True).grade.outcome == "correct"


def test_the_reward_reads_as_evaluation_does() -> None:
    judges = Judge("hash")
    assert judges("#### 1", "1", truncated=True) == judge("#### 1", "1", "hash", truncated=True)
    assert judges("#### 1", "1").grade.outcome == "correct"


def test_what_the_third_scorer_said_stays() -> None:
    """Released versions never change."""
    assert judge("\\boxed{x=5}", "y=5", "math@2", version=3).grade.outcome == "correct"
    assert judge("\\boxed{x=5}", "y=5", "math").grade.outcome == "wrong"
    assert judge("\\boxed{\\frac{5x}{x}}", "5", "math@2", version=3).grade.outcome == "correct"
    assert judge("La opción correcta es D", "D", "choice@2", version=3).grade.outcome == "no_answer"
    assert judge("#### 7 or eight", "7", "hash@2", version=3).grade.outcome == "correct"
