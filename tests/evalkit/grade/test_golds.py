"""Golds of mathematics and the peers' own cases: what must be right, and what must not be accepted.

pytest tests/evalkit/grade/test_golds.py
"""

from __future__ import annotations

import gold_corpus as corpus
import pytest

from evalkit.extract.reading import extract
from evalkit.grade.grade import grade

pytestmark = pytest.mark.skipif(not corpus.PRESENT, reason=corpus.MISSING)


def is_right(text: str, gold: str) -> bool:
    return grade(extract(text, "math"), gold).outcome == "correct"


def test_golds_and_their_neighbours() -> None:
    """Every gold is taken for itself, at least 99 % however it is written, and nothing beside it."""
    figures = corpus.measure(is_right, corpus.golds())
    assert figures.identical == 0, figures.wrong
    assert figures.rewritten <= 0.2, figures.wrong
    assert figures.neighbours <= 0.05, figures.wrong
    assert figures.bare == 0, figures.wrong


def test_cases_of_the_peers() -> None:
    broken = []
    for case in corpus.peer_cases():
        outcome = grade(extract(case["text"], case["rule"]), case.get("gold") or "A").outcome
        if not corpus.peer_right(case, outcome):
            broken.append((case["text"][-80:], case.get("gold"), case["want"], outcome))
    assert broken == []
