"""What `trainkit watch --score` and the last line of a run score.

pytest tests/trainkit/watch/test_watch_tasks.py
"""

from __future__ import annotations

from trainkit.options import Options
from trainkit.watch.watch import score_tasks


def test_what_is_scored_is_not_what_was_trained_on() -> None:
    assert score_tasks(Options(task="gsm8k")) == ["--task", "gsm8k"]
    mixed = Options(task=["gsm8k*2", "mine.jsonl"], validate=["train", "dev.jsonl"], question_field=["q"])
    expected = ["--task", "gsm8k", "--task", "dev.jsonl", "--question-field", "q"]
    assert score_tasks(mixed) == expected
    assert score_tasks(Options(task="mine.jsonl")) == ["--task", "mine.jsonl"]
