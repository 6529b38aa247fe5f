"""JSON as it stands: integers of any size, decimals with all their digits, NaN as missing.

orjson reads what fits in 64 bits and turns the rest into floats without a word; such content is read
by the standard library.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_LONG = re.compile(rb"[0-9][0-9.]{15}")
_DIGITS = 15
"""Digits that a float keeps."""


def loads(content: bytes) -> Any:
    """The value of a JSON text; raises orjson.JSONDecodeError where it is none.

    A number that a float would change stays text, `NaN` is None, `Infinity` the float.
    """
    if _LONG.search(content) is None:
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            if b"NaN" not in content and b"Infinity" not in content:
                raise
    try:
        return json.loads(content, parse_int=_integer, parse_float=_decimal, parse_constant=_constant)
    except (ValueError, RecursionError):
        return orjson.loads(content)  # for its error


def _integer(text: str) -> int | str:
    return int(text) if len(text) < 4000 else text


def _decimal(text: str) -> float | str:
    digits = re.sub(r"[eE].*|\D", "", text).lstrip("0")
    return float(text) if len(digits) <= _DIGITS else text


def _constant(name: str) -> float | None:
    return None if name == "NaN" else float(name.replace("Infinity", "inf"))
