"""The terms of a shaped reward: what each pays, and what is refused before anything starts.

pytest tests/trainkit/runs/test_shaping.py
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.models.resolve import find_model_files
from prompts.errors import Mismatch, UserError
from trainkit.data.inputs import Inputs, find_inputs
from trainkit.data.try_reward import find_reward, same_reward
from trainkit.options import Options
from trainkit.plugins.reward import Reward, Shaping
from trainkit.runs.shaping import Answer, Term, parse_terms, shaped, usable

NAN = float("nan")


def answer(outcome: str = "correct", tokens: int = 10, limit: int = 1000, truncated: bool = False) -> Answer:
    return Answer(outcome=outcome, lenient=outcome, tokens=tokens, limit=limit, truncated=truncated)


def paid(terms: str, seen: Answer) -> float:
    return shaped(parse_terms(terms.split(), has_file=False), seen)[0]


def test_terms_pay_what_they_say() -> None:
    terms = "correct=1 format=0.1 length=-0.2@400 truncated=-0.5"
    assert paid(terms, answer()) == pytest.approx(1.1)
    assert paid(terms, answer("wrong")) == pytest.approx(0.1)
    assert paid(terms, answer("no_answer")) == 0
    assert paid(terms, answer(tokens=700)) == pytest.approx(1.1 - 0.1)
    assert paid(terms, answer("no_answer", tokens=1000, truncated=True)) == pytest.approx(-0.7)


def test_overlong_is_dapos_penalty() -> None:
    """arXiv 2503.14476, equation 13, with a limit of 20,480 tokens of which 4,096 are the soft part."""
    for tokens, penalty in ((100, 0.0), (16384, 0.0), (18432, -0.5), (20480, -1.0)):
        got = paid("correct=1 overlong=-1@4096", answer(tokens=tokens, limit=20480))
        assert got == pytest.approx(1 + penalty)


def test_the_score_alone_is_no_shaped_reward() -> None:
    assert parse_terms([], has_file=False) == parse_terms(["correct=1"], has_file=False) == ()
    assert parse_terms([], has_file=True) == (Term(name="file", weight=1.0),)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["correct=0"], "the weight is '0', it must be a number other than 0"),
        (["correct=nan"], "the weight is 'nan'"),
        (["correct"], "the weight is ''"),
        (["correct=1e30"], "at most 1,000,000 in size"),
        (["correct=1", "lenght=-1@3"], "did you mean 'length'"),
        (["correct=1", "length=-1"], "length needs a number of tokens"),
        (["correct=1", "format=1@3"], "only length and overlong take a number"),
        (["format=0.1"], "no term pays a right answer"),
        (["correct=1", "correct=2"], "names correct twice"),
        (["correct=-1"], "would pay wrong answers"),
        (["correct=1", "lenient=-0.5"], "would pay wrong answers"),
        (["correct=1", "file=1"], "needs the function: --reward-file"),
    ],
)
def test_terms_that_are_none(given: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        parse_terms(given, has_file=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["length=-1@24", "length=-1@999", "overlong=-1@25"])
def test_a_length_that_no_response_has(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        UserError, match=f"--reward {re.escape(text)}: responses have at most 24 tokens"
    ) as caught:
        find_reward(inputs_with(tmp_path, GOOD, reward=["correct=1", text], response_length=24))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("asked", ["mine.py", "mine.py:", ":reward", "folder:reward", "mine.py:not a name"])
def test_a_reward_file_without_a_function(tmp_path: Path, asked: str) -> None:
    options = Options(model="smollm2-135m", task="sums", reward_file=asked)
    with pytest.raises(UserError, match="as in --reward-file mine\\.py:reward"):
        find_reward(find_inputs(options, find_model_files("smollm2-135m")))


@given(
    st.one_of(
        st.text(), st.none(), st.booleans(), st.lists(st.integers()), st.just(float("nan")), st.just(10**400)
    )
)
def test_only_finite_numbers_are_rewards(value: object) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        usable(value)


GOOD = """
def reward(completion, row, verdict):
    assert verdict["outcome"] in ("correct", "wrong", "no_answer") and row["question"] and row["gold"]
    return verdict["score"] + 0.25 * ("because" in completion)
"""


def inputs_with(folder: Path, source: str, **options: object) -> Inputs:
    (folder / "mine.py").write_text(source)
    asked = Options(model="smollm2-135m", task="sums", reward_file=f"{folder / 'mine.py'}:reward", **options)  # type: ignore[arg-type]
    return find_inputs(asked, find_model_files("smollm2-135m"))


def test_a_function_of_ones_own(tmp_path: Path) -> None:
    found = find_reward(inputs_with(tmp_path, GOOD, reward=["correct=1", "file=0.5"]))
    assert found is not None
    shaping = Shaping(found.terms, found.file)
    try:
        row = {"id": "a", "question": "1 + 1?", "gold": "2", "fields": {}}
        earned = Reward(1.0, "correct", "equal", "correct", "2")
        got = shaping.pay(earned, "2, because 1 + 1 = 2", row, 9, 16, False)
        assert (got.value, got.score) == (pytest.approx(1 + 0.5 * 1.25), 1.0)
        assert dict(got.terms) == {"correct": 1.0, "file": pytest.approx(0.625)}
        assert got.validation_values(False)["acc"] == 1.0
    finally:
        shaping.close()
    (tmp_path / "mine.py").write_text(GOOD + "\n")
    with pytest.raises(Mismatch, match="the reward of run is not the one with which it began"):
        same_reward(found, find_reward(inputs_with(tmp_path, GOOD + "\n")), "run")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise KeyError('no')", "KeyError"),
        ("return 'good'", "it returned 'good' .str., not a finite number"),
        ("return float('nan')", "not a finite number"),
        ("return None", "not a finite number"),
        ("return True", "not a finite number"),
        ("return 1e40", r"it returned 1e\+40 .float., not a finite number of at most 1,000,000"),
        ("while True: pass", "took more than 1 s"),
        ("import os; os._exit(3)", "exit code 3"),
        ("return 1 / len(completion)", "the answer '': ZeroDivisionError"),
    ],
)
def test_a_function_that_fails_stops_it_before_it_starts(tmp_path: Path, body: str, says: str) -> None:
    source = f"SECONDS = 1\n\n\ndef reward(completion, row, verdict):\n    {body}\n"
    with pytest.raises(UserError, match=says) as caught:
        find_reward(inputs_with(tmp_path, source))
    assert "\n" not in str(caught.value)


def test_code_of_a_model_is_never_run(tmp_path: Path) -> None:
    model = find_model_files("smollm2-135m").folder
    folder = tmp_path / "model"
    folder.mkdir()
    for path in model.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "mine.py").write_text(GOOD)
    asked = Options(model=str(folder), task="sums", reward_file=f"{folder / 'mine.py'}:reward")
    with pytest.raises(UserError, match="whose code is never run"):
        find_reward(find_inputs(asked, find_model_files(str(folder))))


@pytest.mark.parametrize(("returned", "pays"), [("numpy.float32(0.5)", 0.5), ("numpy.array(2)", 2.0)])
def test_a_scalar_of_numpy_is_a_number(tmp_path: Path, returned: str, pays: float) -> None:
    source = f"import numpy\n\n\ndef reward(completion, row, verdict):\n    return {returned}\n"
    found = find_reward(inputs_with(tmp_path, source, reward=["correct=1"]))
    assert found is not None
    shaping = Shaping(found.terms, found.file)
    try:
        row = {"id": "a", "question": "1 + 1?", "gold": "2", "fields": {}}
        got = shaping.pay(Reward(0.0, "wrong", "unequal", "wrong", "3"), "3", row, 9, 16, False)
        assert got.value == pays
    finally:
        shaping.close()


@pytest.mark.parametrize("returned", ["10**400", "numpy.zeros(2)", "numpy.bool_(True)", "1j"])
def test_what_is_no_number_is_one_sentence(tmp_path: Path, returned: str) -> None:
    source = f"import numpy\n\n\ndef reward(completion, row, verdict):\n    return {returned}\n"
    with pytest.raises(UserError, match="must return a number") as caught:
        find_reward(inputs_with(tmp_path, source, reward=["correct=1"]))
    assert "\n" not in str(caught.value)
