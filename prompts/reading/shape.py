"""The types of what a prompt lock holds, checked where one is read: it may come from anybody.

Only types: a key that a lock lacks was not recorded, and keys that this version does not know are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from prompts.errors import UserError


class _Template(msgspec.Struct):
    ref: str | None = None
    sha256: str | None = None


class _ChatTemplate(msgspec.Struct):
    sha256: str | None = None
    kwargs: dict[str, Any] | None = None


class _Scorer(msgspec.Struct):
    rule: str | None = None
    version: int | None = None
    sha256: str | None = None


class _Thinking(msgspec.Struct):
    version: int = 1
    opens: str = ""
    special: bool | list[str] = False
    budget: int | None = None


class _Probe(msgspec.Struct):
    text: str
    ids: str


class _Reading(msgspec.Struct):
    template: _Template | None = None
    system: dict[str, Any] | str | None = None
    chat_template: _ChatTemplate | None = None
    tokenizer: dict[str, Any] | None = None
    stop_ids: list[int] | None = None
    scorer: _Scorer = msgspec.field(default_factory=_Scorer)
    probe: dict[str, _Probe] | None = None
    thinking: _Thinking | None = None
    source: str | None = None
    parts: dict[str, _Reading] = {}


class _Rows(msgspec.Struct):
    task: str
    ids: list[str]
    split: str | None = None
    rows: int = 0
    weight: float = 1.0


class _Data(msgspec.Struct):
    task: str | None = None
    split: str | None = None
    rows: int | None = None
    marks: list[str] = []
    parts: list[_Rows] = []


class _Budget(msgspec.Struct):
    max_tokens: int | None = None


class _Carries(msgspec.Struct):
    template: dict[str, Any] | None = None
    computation: dict[str, Any] | None = None
    questions: list[str] | None = None
    parts: dict[str, dict[str, Any]] = {}


class _Lock(msgspec.Struct):
    reading: _Reading
    data: _Data
    budget: _Budget
    carries: _Carries = msgspec.field(default_factory=_Carries)


def check_shape(value: Mapping[str, Any], source: str) -> None:
    """UserError where a value that is used of a lock has another type than every version wrote."""
    held = {name: value[name] for name in ("reading", "data", "budget", "carries") if value.get(name)}
    rows = value["data"].get("prompts", {})  # millions: looked through, not made anew
    if not isinstance(rows, dict) or not set(map(type, rows.values())) <= {str}:
        raise UserError(
            f"{source} is no prompt lock: its data.prompts are no hashes by row id; was it edited?"
        )
    held["data"] = {key: one for key, one in value["data"].items() if key != "prompts"}
    try:
        msgspec.convert({"reading": {}, "budget": {}, **held}, _Lock)
    except msgspec.ValidationError as error:
        raise UserError(f"{source} is no prompt lock: {error}; was it edited?") from None
