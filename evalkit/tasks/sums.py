"""`sums`: a + b, generated from a seed; needs no data, made for tiny models and for CI."""

from __future__ import annotations

import random

from evalkit.tasks.rows import Item, make_rows
from evalkit.tasks.task import Task, check_split
from prompts.errors import UserError

SEED = 0
DEFAULT_LIMIT = 20
TEST_ROWS = 128
MAX_ROWS = 4096
"""Of both splits together, where larger numbers would give more."""


def load(task: str, split: str) -> Task:
    """The sums of 1 to 20, or of 1 to N for `sums:N`.

    a + b and b + a are always in the same split, so that no test sum can be learned by heart.
    """
    limit = _limit(task)
    check_split(task, split, ("test", "train"))
    pairs = _pairs(limit)
    part = pairs[:TEST_ROWS] if split == "test" else pairs[TEST_ROWS:]
    items = [Item(question=f"What is {a} + {b}?", gold=str(a + b), fields={"a": a, "b": b}) for a, b in part]
    return Task(
        name=task, split=split, rows=make_rows(items), template="sums@1", max_tokens=8 + 4 * len(str(limit))
    )


def _limit(task: str) -> int:
    text = task.partition(":")[2] or str(DEFAULT_LIMIT)
    if not text.isdecimal() or not DEFAULT_LIMIT <= int(text) <= 10**9:
        raise UserError(
            f"task {task}: the largest number must lie between {DEFAULT_LIMIT} and 10^9; try sums:999"
        )
    return int(text)


def _pairs(limit: int) -> list[tuple[int, int]]:
    """The ordered pairs of both splits, the TEST_ROWS test pairs first."""
    rng = random.Random(SEED)
    if limit * limit <= MAX_ROWS:
        unordered = [(a, b) for a in range(1, limit + 1) for b in range(a, limit + 1)]
        rng.shuffle(unordered)
    else:
        drawn = (sorted((rng.randint(1, limit), rng.randint(1, limit))) for _ in range(MAX_ROWS // 2))
        unordered = list(dict.fromkeys((a, b) for a, b in drawn))
    test: list[tuple[int, int]] = []
    train: list[tuple[int, int]] = []
    for a, b in unordered:
        both = [(a, b)] if a == b else [(a, b), (b, a)]
        (test if len(test) + len(both) <= TEST_ROWS else train).extend(both)
    return test + train
