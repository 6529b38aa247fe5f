"""Reference answers in the shapes that data sets give them: read as what they are, or refused.

A gold is text everywhere else; several acceptable answers are a JSON list of texts.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

NO_GOLD = "no gold"
KEYS = (
    *("target", "targets", "ground_truth", "answer", "answers", "value", "aliases"),
    *("text", "label", "final_answer"),
)
"""Where data sets keep answers: Search-R1 `target`, TriviaQA `value` and `aliases`, SQuAD `text`."""
_CODE = re.compile(
    r"^\s*(?:assert\s|assert\(|from [\w.]+ import \w|(?:async )?def \w+\(|class \w+[(:]|"
    r"print\(|>>> |#include|if __name__)",
    re.MULTILINE,
)


def read_gold(value: Any) -> tuple[str | None, str | None]:
    """The gold as text, or None and why it cannot be read, in a few words.

    A list of one answer is that answer, one of several is any of them; an object is what stands under
    one of `KEYS`; NaN and null are missing.
    """
    found = _answers(value)
    if isinstance(found, str):
        return None, found
    unique = list(dict.fromkeys(text for text in (answer.strip() for answer in found) if text))
    if not unique:
        return None, NO_GOLD
    return (unique[0] if len(unique) == 1 else json.dumps(unique, ensure_ascii=False)), None


@lru_cache(maxsize=4096)
def acceptable(gold: str) -> tuple[str, ...]:
    """The answers that a gold accepts: one, or those of its JSON list of texts."""
    return tuple(_texts(gold) or (gold,))


def is_code(gold: str) -> bool:
    """Whether a gold is code, such as `assert f(2) == 3`, which no comparison of values can use."""
    return any(_CODE.search(answer) for answer in acceptable(gold))


def _answers(value: Any) -> list[str] | str:
    """The texts of a gold, or what is wrong with it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, float) and math.isinf(value):
        return f"the gold is {value}, which is no number to compare with"
    if isinstance(value, int | float | Decimal):
        return [str(value)]
    if isinstance(value, str):
        return _texts(value) or _object(value) or [value]
    if isinstance(value, Mapping):
        return _of_object(value)
    if isinstance(value, list | tuple):
        return _of_list(value)
    return f"the gold is of type {type(value).__name__}, neither text nor number"


def _of_list(values: list[Any] | tuple[Any, ...]) -> list[str] | str:
    texts: list[str] = []
    for value in values:
        if isinstance(value, list | tuple | Mapping):
            kind = "lists" if isinstance(value, list | tuple) else "objects"
            return f"the gold is a list of {kind}, not of answers"
        found = _answers(value)
        if isinstance(found, str):
            return found
        texts += found
    return texts


def _of_object(value: Mapping[Any, Any]) -> list[str] | str:
    held = [value[key] for key in KEYS if key in value]
    if not held:
        keys = ", ".join(map(str, value)) or "none"
        return f"the gold is an object with the keys {keys[:80]}; none of them is known to hold the answer"
    texts: list[str] = []
    for entry in held:
        found = _answers(entry)
        if isinstance(found, str):
            return found
        texts += found
    return texts


def _texts(gold: str) -> list[str] | None:
    """The texts of a JSON list of texts; None for any other text, `[1, 2]` too: an interval, say."""
    if not gold.lstrip().startswith("["):
        return None
    try:
        values = json.loads(gold)
    except (ValueError, RecursionError):
        return None
    good = isinstance(values, list) and values and all(isinstance(value, str) for value in values)
    return values if good else None


def _object(gold: str) -> list[str] | str | None:
    """What a JSON object holds; None for any other text, a set such as `{1, 2}` too."""
    if not gold.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(gold)
    except (ValueError, RecursionError):
        return None
    return _of_object(value) if isinstance(value, dict) else None
