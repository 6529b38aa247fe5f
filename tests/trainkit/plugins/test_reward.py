"""The reward is evalkit's judgement: same outcome, 1 only for correct, from many threads alike.

pytest tests/trainkit/plugins/test_reward.py
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.grade.judge import Judge, judge
from trainkit.plugins.reward import compute


@pytest.mark.parametrize(
    ("text", "rule", "value", "outcome", "lenient"),
    [
        ("so \\boxed{42}", "boxed@1", 1.0, "correct", "correct"),
        ("so \\boxed{41}", "boxed@1", 0.0, "wrong", "wrong"),
        ("The answer is 42.", "boxed@1", 0.0, "no_answer", "correct"),
        ("", "boxed@1", 0.0, "no_answer", "no_answer"),
    ],
)
def test_reward(text: str, rule: str, value: float, outcome: str, lenient: str) -> None:
    reward = compute(text, "42", Judge(rule))
    assert (reward.value, reward.outcome, reward.lenient) == (value, outcome, lenient)
    assert set(reward.validation_values(True)) == {"acc", "lenient", "no_answer", "truncated"}
    assert reward.validation_values(True)["acc"] == value


@given(st.text(max_size=200))
def test_reward_is_one_exactly_where_evalkit_says_correct(text: str) -> None:
    for rule in ("boxed@1", "hash@1", "last-number@1"):
        assert (compute(text, "7", Judge(rule)).value == 1.0) == (
            judge(text, "7", rule).grade.outcome == "correct"
        )


def test_a_gold_without_score_raises() -> None:
    with pytest.raises(ValueError, match="cannot be scored"):
        compute("#### 4", "four", Judge("hash@1"))


def test_threads_agree() -> None:
    texts = [f"step {i}\n#### {i % 5}" for i in range(2000)]
    alone = [compute(text, "3", Judge("hash@1")) for text in texts]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda text: compute(text, "3", Judge("hash@1")), texts)) == alone
