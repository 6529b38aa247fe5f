"""When two questions are one."""

from __future__ import annotations

import pytest

from evalkit.grade.same_question import normal_text, older_normal_text

QUESTION = "How many are 5 + 3, if x’s one is 1 2/3?"


@pytest.mark.parametrize(
    "hidden",
    [
        QUESTION.upper(),
        QUESTION.replace("are", "a\u200bre"),
        QUESTION.replace("How", "\ufeffHow\u00ad"),
        QUESTION.replace(" ", "\u00a0"),
        QUESTION.replace("many are", "many\u2028are"),
        QUESTION.replace("?", " ?"),
        QUESTION.replace("5 + 3", "5+3"),
        QUESTION.replace("5", "５"),
        QUESTION.replace("?", "？"),
        QUESTION.replace("How", "Ｈｏｗ"),
        QUESTION.replace("5", "𝟓"),
        QUESTION.replace("’", "'"),
        QUESTION.replace("5 + 3", "5＋3"),
        QUESTION.replace("one", "o\u200cne\ufe0f"),
        f"  {QUESTION}\n",
    ],
)
def test_what_a_reader_does_not_see_hides_no_question(hidden: str) -> None:
    assert hidden != QUESTION
    assert normal_text(hidden) == normal_text(QUESTION)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 3²?", "What is 32?"),
        ("What is H₂O?", "What is H2O?"),
        ("What is 1½?", "What is 11/2?"),
        ("What is 1 2/3?", "What is 12/3?"),
        ("Add 1 and 2.", "Add 12."),
        ("cafe", "café"),
        ("What is -5?", "What is 5?"),
    ],
)
def test_questions_that_differ_stay_two(one: str, other: str) -> None:
    assert normal_text(one) != normal_text(other)


def test_accents_written_in_two_ways_are_one() -> None:
    assert normal_text("cafe\u0301?") == normal_text("CAFÉ ?")
    assert older_normal_text("A  b ?") == "a b ?"  # what locks from before hold hashes of


def test_the_form_whose_hashes_locks_hold_stays() -> None:
    """One text with every kind of character that is compared otherwise than it stands."""
    text = "Ｗhat\u200b is “5﹘3”, ０.5\u00a0km² – or ½ of x’s ½₀ cafe\u0301 ㎡ ①？"
    assert normal_text(text) == 'what is"5-3",0.5 km²-or ½ of x\'s ½₀ café m2 1?'
