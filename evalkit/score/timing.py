"""What a run took: seconds a phase and the tokens generated in them, summed over its processes."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from evalkit.runs.manifest import Manifest, Times

EVERY = 5.0
"""Seconds of work that a kill may leave out."""


@dataclass
class Timing:
    """Seconds of loading, generating and scoring, and the tokens generated in them.

    `generate` runs from the loaded engine to the last completion, `score` is the part of it that
    reading and writing took in their own thread. What a process did after its last note is lost when
    it is killed, seconds and tokens alike: the speed stays that of the tokens that were timed.
    """

    load: float = 0.0
    generate: float = 0.0
    score: float = 0.0
    tokens: int = 0

    def __post_init__(self) -> None:
        self._lap = time.monotonic()
        self._noted = -math.inf  # the first completion is noted at once

    @classmethod
    def before(cls, manifest: Manifest) -> Timing:
        """What earlier processes noted in the manifest of the run."""
        times = manifest.times
        return cls(
            load=times.load or 0.0,
            generate=times.generate or 0.0,
            score=times.score or 0.0,
            tokens=manifest.timed_tokens or 0,
        )

    @property
    def tokens_per_second(self) -> float | None:
        """None where no token was timed."""
        return self.tokens / self.generate if self.tokens else None

    def lap(self) -> float:
        """Seconds since the last lap."""
        last, self._lap = self._lap, time.monotonic()
        return self._lap - last

    def due(self) -> bool:
        """Whether it is time for a note again."""
        if time.monotonic() - self._noted < EVERY:
            return False
        self._noted = time.monotonic()
        return True

    def as_manifest(self) -> dict[str, Any]:
        """The keys `times` and `timed_tokens` of the manifest."""
        times = Times(load=self.load, generate=self.generate, score=self.score)
        return {"times": times, "timed_tokens": self.tokens}


def parts_of(started: float, planned: float, times: Times) -> str:
    """Where the time from the command to its result went, in one sentence.

    `started` and `planned` are the moments (seconds since 1970) at which the process began and its plan
    stood; `times` are those of the run. What earlier processes did to a run that was resumed is not told
    apart, and then only the whole is said.
    """
    now = time.time()
    load, generate = times.load or 0.0, times.generate or 0.0
    whole = f"{now - started:.1f} s from the command"
    rest = now - planned - load - generate
    if rest < 0:
        return whole
    parts = [
        (planned - started, "until the plan stood"),
        (load, "to load the engine"),
        (generate, "to generate and score"),
        (rest, "for the rest"),
    ]
    return f"{whole}: {', '.join(f'{seconds:.1f} {what}' for seconds, what in parts)}"
