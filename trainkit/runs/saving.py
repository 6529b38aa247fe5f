"""When a step ends with a checkpoint: every 50 steps or 10 minutes, and where it may be the best.

verl asks `trainer.save_freq` at the end of each step, before it validates; `SaveSchedule` sets it at the
start of each. So the weights of every validated step are there when its accuracy is known: the trainer's
console keeps the best and removes the others (`trainkit.train.keep_best`).
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from prompts.errors import UserError
from trainkit.runs.job import Job

_FORM = re.compile(r"(\d+)(m|h)?")
_SECONDS = {"m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class SaveEvery:
    """So many steps, or so many seconds; the other is None."""

    steps: int | None
    seconds: float | None

    @classmethod
    def parse(cls, text: str | int) -> SaveEvery:
        """Read what --save-every was given; UserError where it is neither steps nor a time."""
        match = _FORM.fullmatch(str(text))
        if match is None or int(match[1]) < 1:
            raise UserError(
                f"--save-every {text}: give a number of steps or a time, as in --save-every 50 or 10m"
            )
        number = int(match[1])
        return cls(None, number * _SECONDS[match[2]]) if match[2] else cls(number, None)

    def due(self, step: int, seconds: float) -> bool:
        """Whether a step is saved that begins so many seconds after the last save."""
        if self.steps is not None:
            return step % self.steps == 0
        return self.seconds is not None and seconds >= self.seconds


NEVER = 10**9
"""A save_freq that no step is a multiple of; verl saves after the last step all the same."""
SCHEDULE, VALIDATION = "schedule", "validation"


class SaveSchedule:
    """Decides at the start of each step; `trainer` is verl's `config.trainer`."""

    def __init__(self, trainer: Any, job: Job, clock: Any = time.monotonic) -> None:
        self.trainer, self.clock = trainer, clock
        self.every = SaveEvery.parse(job.options.save_every)
        validated = job.options.keep is None
        self.validate_every: int = job.options.validate_every if validated else NEVER
        self.total = job.total_steps
        self.saved_at: float | None = None
        """Of the last save for the schedule, at first the begin of the first step: a start takes minutes."""
        self.reason = SCHEDULE
        """Why the step that runs is saved at its end."""

    def begin(self, step: int) -> None:
        """Say to verl whether this step ends with a checkpoint."""
        if self.saved_at is None:
            self.saved_at = self.clock()
        due = self.every.due(step, self.clock() - self.saved_at)
        validated = step % self.validate_every == 0 and step < self.total
        self.reason = VALIDATION if validated and not due else SCHEDULE
        self.trainer.save_freq = 1 if due or self.reason == VALIDATION else NEVER

    def saved(self) -> None:
        """A checkpoint is whole."""
        if self.reason == SCHEDULE:
            self.saved_at = self.clock()


_current: list[SaveSchedule] = []


def install(schedule: SaveSchedule) -> None:
    """The schedule of this process, which verl's trainer lives in."""
    _current[:] = [schedule]


def begin_step(step: int) -> None:
    """A training step begins; nothing where no schedule was installed."""
    for schedule in _current:
        schedule.begin(step)
