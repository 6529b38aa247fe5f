"""What the rules hand to each other: an answer and where it stands."""

from __future__ import annotations

from typing import NamedTuple


class Found(NamedTuple):
    """An answer with its span (characters of the whole text).

    `answer` is None where a place that declares the answer holds none, which ends the search:
    nothing earlier may take its place. A cascade names its member and the answers it passed over.
    """

    answer: str | None
    start: int
    end: int
    member: str = ""
    alternatives: tuple[str, ...] = ()
