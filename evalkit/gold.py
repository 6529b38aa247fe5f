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

import orjson

from evalkit.exact_json import loads

NO_GOLD = "no gold"
KEYS = (
    *("target", "targets", "ground_truth", "answer", "answers", "value", "aliases"),
    *("text", "label", "final_answer"),
)
"""Where data sets keep answers: Search-R1 `target`, TriviaQA `value` and `aliases`, SQuAD `text`."""
_ONE = ("target", "ground_truth", "answer", "value", "final_answer")
"""Those that hold the answer itself: two of them that differ leave open which is meant."""
_CODE = re.compile(
    r"^\s*(?:assert\s|assert\(|from [\w.]+ import \w|(?:async )?def \w+\(|"
    r"class \w+[(:]|self\.assert\w+\(|check\(candidate|print\(|>>> |#include|if __name__)",
    re.MULTILINE,
)
_PYTHON = re.compile(rf"\s*(?:\[\s*['\"]|\{{\s*'(?:{'|'.join(KEYS)})'\s*:|(?:np\.)?array\(\[)")
"""How Python prints lists, objects and arrays: what pandas writes into CSV."""


def read_gold(value: Any) -> tuple[str | None, str | None]:
    """The gold as text, or None and why it cannot be read, in a few words.

    A list of one answer is that answer, one of several is any of them; an object is what stands under
    one of `KEYS`; NaN and null are missing. A text that is such a list or object in JSON is read as it.
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
        return _of_text(value)
    if isinstance(value, Mapping):
        return _of_object(value)
    if isinstance(value, list | tuple):
        return _of_list(value)
    return f"the gold is of type {type(value).__name__}, neither text nor number"


def _of_text(text: str) -> list[str] | str:
    """The answers of a gold that is text, which may be JSON, or what is wrong with it."""
    value = _json(text)
    if isinstance(value, Mapping):
        return _of_object(value)
    if isinstance(value, list) and value:
        if any(isinstance(entry, Mapping) for entry in value):
            return _of_list(value)
        if all(isinstance(entry, str) for entry in value):
            return value
    if value is None and _PYTHON.match(text):
        return (
            f"the gold is a list, object or array as Python prints it ({text.strip()[:30]!r} …), which "
            'cannot be told from text; write it as JSON: ["Paris", "paris"]'
        )
    return [text]


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
    held = [key for key in KEYS if key in value]
    if not held:
        keys = ", ".join(map(str, value)) or "none"
        return f"the gold is an object with the keys {keys[:80]}; none of them is known to hold the answer"
    texts: list[str] = []
    single: dict[str, list[str]] = {}
    for key in held:
        found = _answers(value[key])
        if isinstance(found, str):
            return found
        texts += found
        if key in _ONE and found:
            single[key] = found
    if any(found != next(iter(single.values())) for found in single.values()):
        return f"the gold is an object with different answers under {' and '.join(single)}; keep one of them"
    return texts


def _texts(gold: str) -> list[str] | None:
    """The texts of a JSON list of texts; None for any other text, `[1, 2]` too: an interval, say."""
    values = _json(gold) if gold.lstrip().startswith("[") else None
    good = isinstance(values, list) and values and all(isinstance(value, str) for value in values)
    return values if good else None


def _json(text: str) -> Any:
    """The list or object that a text is in JSON; None for any other text, a set such as `{1, 2}` too."""
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        return loads(text.encode())
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
