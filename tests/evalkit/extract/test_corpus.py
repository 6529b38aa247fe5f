"""The regression of answer extraction: our own cases, and a floor of accuracy on labelled outputs.

    pytest tests/evalkit/extract/test_corpus.py

Every fault that is ever found becomes a line in tests/corpora/extraction first.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import extraction_corpus as corpus
import pytest

from evalkit.extract.reading import extract
from evalkit.grade.grade import grade
from evalkit.grade.judge import judge

FILES = sorted(corpus.OWN.glob("*.jsonl"))
needs_corpus = pytest.mark.skipif(not corpus.PRESENT, reason=corpus.MISSING)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_cases(path: Path) -> None:
    """Every case of a file; all that fail are named, with what was read."""
    failed = [f"{name}: {why}" for name, case in corpus.own_cases(path) if (why := failure(case))]
    assert failed == [], "\n".join(failed)


def failure(case: dict[str, str]) -> str | None:
    """What is wrong with the reading of a case; None where it is as it should be."""
    text, wanted = case["text"], case["outcome"]
    found = extract(text, case["rule"])
    outcome = grade(found, case["gold"]).outcome
    if (outcome == "correct") if wanted == "rejected" else (outcome != wanted):
        return f"{outcome}, not {wanted}: {text!r} read as {found} ({case['note']})"
    if found.span is not None and found.answer in text:
        start, end = found.span
        if not 0 <= start <= end <= len(text):
            return f"span {found.span} of {len(text)} characters"
    return None


# May only fall: what rule `lenient` gets wrong, in per cent (right marked wrong, wrong marked right,
# wrong golds accepted), on the half it was developed on and on the half it was checked with.
CEILINGS = {"develop": (0.4, 0.07, 0.3), "check": (0.2, 0.07, 0.4)}


@needs_corpus
@pytest.mark.parametrize("half", CEILINGS)
def test_accuracy_only_rises(half: str) -> None:
    figures = corpus.measure(corpus.judge_by("lenient"), corpus.rows(half))
    ceiling = corpus.Figures(*CEILINGS[half])
    assert figures.right_marked_wrong <= ceiling.right_marked_wrong
    assert figures.wrong_marked_right <= ceiling.wrong_marked_right
    assert figures.wrong_gold_accepted <= ceiling.wrong_gold_accepted


@needs_corpus
def test_edge_cases() -> None:
    judge = corpus.judge_by("lenient")
    broken = [case["id"] for case in corpus.edges(debatable=False) if not corpus.edge_holds(judge, case)]
    assert broken == []
    everything = corpus.edges(debatable=True)
    assert sum(corpus.edge_holds(judge, case) for case in everything) >= 0.95 * len(everything)


@needs_corpus
def test_strictly_right_is_leniently_right() -> None:
    for row in corpus.rows():
        for rule in ("hash", "boxed", "answer-is", "json", "last-number"):
            judgement = judge(row["text"], row["gold"], rule)
            if judgement.grade.outcome == "correct":
                assert judgement.lenient_outcome == "correct", (row["id"], rule)


@needs_corpus
@pytest.mark.parametrize("method", ["strict", "flexible"])
def test_verl_rules_behave_as_verl(method: str) -> None:
    """Against verl's own function, row by row."""
    package = importlib.util.find_spec("verl")
    if package is None or not package.submodule_search_locations:
        pytest.skip("verl is not installed: make setup")
    path = Path(package.submodule_search_locations[0]) / "utils/reward_score/gsm8k.py"
    spec = importlib.util.spec_from_file_location("verl_gsm8k", path)
    assert spec and spec.loader
    verl = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(verl)
    judge = corpus.judge_by(f"verl-gsm8k-{method}")
    for row in corpus.rows():
        theirs = verl.compute_score(row["text"], row["gold"], method=method) == 1.0
        assert judge(row["text"], row["gold"]) == theirs, row["id"]
