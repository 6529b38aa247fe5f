"""Readings that are equal though they say it differently: the same prompt under two names, or told better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Reading = Mapping[str, Any]


def without_names(left: Reading, right: Reading) -> tuple[Reading, Reading]:
    """Two readings without what only names or tells the same prompt, also in the parts of a mixture.

    That is the name of a template whose text is the same, and a system message that the chat template wrote
    by itself: locks from before found that less well. The probe, which the model reads, must be equal.
    """
    dropped = {"system"} if _same_by_chat_template(left, right) else set()
    sides = [{k: v for k, v in side.items() if k not in dropped} for side in (left, right)]
    if same_text(left, right):
        sides = [{**side, "template": {**side["template"], "ref": None}} for side in sides]
    parts = [side.get("parts") for side in sides]
    if isinstance(parts[0], dict) and isinstance(parts[1], dict):
        for task in parts[0].keys() & parts[1].keys():
            pair = without_names(parts[0][task], parts[1][task])
            for side, part in zip(sides, pair, strict=True):
                side["parts"] = {**side["parts"], task: part}
    return sides[0], sides[1]


def same_text(left: Reading, right: Reading) -> bool:
    """Whether hash and token ids of two prompts are equal."""
    hashes = [
        side["template"].get("sha256") for side in (left, right) if isinstance(side.get("template"), dict)
    ]
    probes = [side.get("probe") for side in (left, right)]
    return len(hashes) == 2 and None not in (*hashes, *probes) and len(set(hashes)) == 1 and _equal(*probes)


def _same_by_chat_template(left: Reading, right: Reading) -> bool:
    systems = (side.get("system") for side in (left, right))
    from_chat = all(s is None or (isinstance(s, dict) and s.get("from") == "chat template") for s in systems)
    return from_chat and _equal(left.get("probe"), right.get("probe"))


def _equal(left: Any, right: Any) -> bool:
    return bool(left == right)
