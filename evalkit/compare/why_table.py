"""Why two numbers differ, as text: a line a share, and one sentence."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from evalkit.compare.diff import plain
from evalkit.compare.why import Gap, written_keys
from evalkit.text import Format, interval, json_text, points, render_grid

HEADER = ("key", "points", "95 % CI", "first run", "second run")


def render_gap(gap: Gap, format: Format | Literal["json"], command: str) -> str:
    """One table and one sentence; `command` scores what stored completions cannot tell apart."""
    if format == "json":
        return json_text(gap_as_dict(gap))
    rows = [
        (", ".join(s.keys), points(s.share, sign=True), interval(*s.ci), s.left, s.right) for s in gap.shares
    ]
    rows.append(("sum", points(gap.total, sign=True), "", points(gap.base), points(gap.new)))
    grid = render_grid(HEADER, rows, format)
    if format != "table":
        return grid
    mixed = [share.keys for share in gap.shares if len(written_keys(share.keys)) > 1]
    notes = ["shares are Shapley values (1953): mean effects over all orders of changing one key at a time"]
    if mixed and not gap.scored:
        notes.append(f"{', '.join(mixed[0])} change what the model writes; tell them apart: {command}")
    return "\n\n".join([f"{gap_sentence(gap)}.", grid, "\n".join(notes)])


def gap_sentence(gap: Gap) -> str:
    """The gap and who carries it, the largest share first, without a full stop."""
    parts = [f"{', '.join(share.keys)} {points(share.share, sign=True)}" for share in gap.shares]
    if not parts:
        return f"{gap.runs[1]} and {gap.runs[0]} differ in no key: {points(gap.total, sign=True)} points"
    return (
        f"{gap.runs[1]} has {points(gap.total, sign=True)} points against {gap.runs[0]} on "
        f"{gap.n:,} questions: {', '.join(parts)}"
    )


def gap_as_dict(gap: Gap) -> dict[str, Any]:
    """The gap as JSON values; shares between -1 and 1."""
    shares = [{**asdict(share), "keys": list(share.keys), "ci": plain(share.ci)} for share in gap.shares]
    return {
        "sentence": gap_sentence(gap),
        "runs": list(gap.runs),
        "n": gap.n,
        "base": gap.base,
        "new": gap.new,
        "gap": gap.total,
        "scored": gap.scored,
        "shares": shares,
    }
