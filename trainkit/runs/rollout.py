"""A line of rollouts.jsonl: one completion of a training run, read and rewarded.

The agent loop writes them; metrics, doctor, audit, comparison and `--select` read them here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from evalkit.records import Outcome
from trainkit.runs.lines import GrowingLines

FILE_NAME = "rollouts.jsonl"


class Rollout(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was asked, written and earned (docs/training.md says what each field is).

    A field that is added later has the default None: older lines do not record it.
    """

    step: int
    validate: bool
    source: str | None = None
    """The task, as verl's data_source names it."""
    id: str
    group: str | None = None
    sample: int
    question: str
    gold: str
    text: str
    reward: float
    terms: dict[str, float] | None = None
    """What each term of a shaped reward gave to it."""
    outcome: Outcome
    reason: str = ""
    lenient_outcome: Outcome
    truncated: bool
    completion_tokens: int
    thinking_tokens: int | None = None
    markers: tuple[tuple[int, str], ...] | None = None
    """Special tokens with their places in `text`, where the lock reads thinking by them."""
    hook_seconds: float

    @property
    def correct(self) -> bool:
        return self.outcome == "correct"

    @property
    def drawn(self) -> str:
        """What its advantage is taken within; older runs name the row alone, which may be drawn twice."""
        return self.group or self.id


_DECODER = msgspec.json.Decoder(Rollout)


def as_line(rollout: Rollout) -> bytes:
    """The line to append."""
    return msgspec.json.encode(rollout) + b"\n"


def _decode(line: bytes) -> Rollout:
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is no rollout ({error})") from None


def growing_rollouts(folder: Path) -> GrowingLines[Rollout]:
    """The rollouts of a training run's folder, as they come; none where there is no such file."""
    return GrowingLines(folder / FILE_NAME, _decode)


def read_rollouts(folder: Path) -> Iterator[Rollout]:
    """All rollouts of a run's folder, in the order in which they ended.

    Raises UserError where a line is none, or has a value of a wrong type.
    """
    yield from growing_rollouts(folder).new()
