"""Raw items to rows: ids from the content, golds checked, duplicates marked; nothing is dropped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.records import Row


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question as its source gives it. `gold` may be anything that stood in the source."""

    question: str
    gold: Any
    fields: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[dict[str, str], ...] | None = None


def make_rows(items: Iterable[Item]) -> tuple[Row, ...]:
    """Rows in the order of the items, one each.

    A row without a gold, or equal to an earlier row, says so in `problem`: it is kept, and scored
    `unscored`. The id of a repeated row has its count behind it.
    """
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for item in items:
        gold = _gold_text(item.gold)
        row_id = content_id(item.question, gold, item.messages)
        problem = None if gold else "no gold"
        seen[row_id] = count = seen.get(row_id, 0) + 1
        if count > 1:
            problem, row_id = f"duplicate of {row_id}", f"{row_id}-{count}"
        rows.append(
            Row(
                id=row_id,
                question=item.question,
                gold=gold,
                fields=dict(item.fields),
                messages=item.messages,
                problem=problem,
            )
        )
    return tuple(rows)


def content_id(question: str, gold: str | None, messages: tuple[dict[str, str], ...] | None = None) -> str:
    """16 hex digits of the sha256 of what the row says, whatever its place and file."""
    content = json.dumps([question, gold, messages] if messages else [question, gold], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def final_answer(solution: Any) -> Any:
    """The reference answer: of a worked solution in GSM8K's form, what follows the last `####`."""
    if isinstance(solution, str) and "####" in solution:
        return solution.rpartition("####")[2].strip()
    return solution


def _gold_text(gold: Any) -> str | None:
    """A gold as text; None for what is empty or no text or number."""
    if isinstance(gold, bool) or not isinstance(gold, str | int | float):
        return None
    return str(gold).strip() or None
