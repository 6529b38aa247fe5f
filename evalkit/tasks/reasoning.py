"""reasoning-gym's tasks by name, as `rg:chain_sum`: generated offline from fixed seeds.

Only tasks whose gold is one number: the others bring scorers of their own.
"""

from __future__ import annotations

import difflib
from typing import Any

from evalkit.tasks.rows import Item, make_rows
from evalkit.tasks.task import Task, check_split
from prompts.errors import UserError

SEEDS = {"test": 1, "train": 2}
ROWS = {"test": 512, "train": 4096}
TEMPLATE = "gsm8k-boxed@1"
MAX_TOKENS = 512

NAMES = (
    "aiw",
    "basic_arithmetic",
    "binary_alternation",
    "chain_sum",
    "circuit_logic",
    "count_bits",
    "count_primes",
    "decimal_arithmetic",
    "decimal_chain_sum",
    "gcd",
    "gsm_symbolic",
    "largest_island",
    "lcm",
    "leg_counting",
    "letter_counting",
    "maze",
    "number_format",
    "number_sequence",
    "products",
    "rectangle_count",
    "rotten_oranges",
    "self_reference",
    "simple_equations",
    "simple_geometry",
)
"""Tasks of reasoning-gym 0.1.25 whose gold is one number; a test holds this list."""


def load(task: str, split: str) -> Task:
    """One split of a reasoning-gym task; training rows that the test split holds too are left out."""
    name = task.removeprefix("rg:")
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=3)
        raise UserError(
            f"no task rg:{name} with a number as gold{' (near: ' + ', '.join(near) + ')' if near else ''}; "
            f"there are {', '.join(NAMES)}"
        )
    check_split(task, split, ("test", "train"))
    items = _generate(name, "test")
    if split == "train":
        held_out = {item.question for item in items}
        items = [item for item in _generate(name, "train") if item.question not in held_out]
    unique = {item.question: item for item in items}  # small tasks repeat themselves
    rows = make_rows(unique.values())
    return Task(name=task, split=split, rows=rows, template=TEMPLATE, max_tokens=MAX_TOKENS)


def _generate(name: str, split: str) -> list[Item]:
    try:
        import reasoning_gym
    except ImportError:
        raise UserError(
            f"rg:{name} needs reasoning-gym, which is not installed; pip install reasoning-gym"
        ) from None
    rows: Any = reasoning_gym.create_dataset(name, seed=SEEDS[split], size=ROWS[split])
    return [Item(question=row["question"], gold=row["answer"]) for row in rows]
