"""What a stored run knows of thinking: its lock, its records, and what older ones lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.records import UNANSWERED, Record
from prompts.reading.thinking import VERSION, divide_by, looks_special, needs_markers, opened_by


def thinking_as_recorded(reading: Mapping[str, Any]) -> dict[str, Any]:
    """The key `thinking` for reading a run again: the lock's own in the present version, else what its
    stored prompts leave open.

    A lock from before this key holds rendered prompts, so that an opened block is still seen.
    """
    if "thinking" in reading:
        known = reading["thinking"]
        return {"thinking": known and {**known, "version": VERSION}}
    opens = {opened_by(text, whole_lines=True) for text in _prompts(reading)}
    if len(opens) != 1 or not (opened := opens.pop()):
        return {}
    return {"thinking": {"version": VERSION, "opens": opened, "special": []}}


def answer_part(record: Record, reading: Mapping[str, Any]) -> tuple[int, int] | None:
    """Where the final answer stands in a record's text, the rest being thinking; None: in all of it."""
    part = divide_by(reading.get("thinking"), record.text, record.markers)
    whole = (part.start, part.end) == (0, len(record.text))
    return None if whole else (part.start, part.end)


def lacking_markers(records: Sequence[Record], reading: Mapping[str, Any]) -> str | None:
    """A sentence where completions were decoded without the markers that thinking is read by; else None."""
    answered = [record for record in records if record.finish_reason not in UNANSWERED]
    lacking = sum(record.markers is None for record in answered)
    if not lacking or not (needs_markers(reading) or any(map(looks_special, _prompts(reading)))):
        return None
    return (
        f"{lacking:,} of {len(answered):,} completions were stored without their special tokens, by which "
        "this model marks its thinking: what it thought cannot be told from its answer and is read as one "
        "text; score the model again to have it told apart"
    )


def _prompts(reading: Mapping[str, Any]) -> list[str]:
    """The rendered prompts that a lock stores; none in those of imported runs."""
    probe = reading.get("probe") or {}
    return [entry["text"] for entry in probe.values() if isinstance(entry, dict) and "text" in entry]
