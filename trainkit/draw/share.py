"""How many prompts a step draws so that about a batch of groups teaches: all at once, from the last steps."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

STEPS = 4
"""Steps whose groups say how many will teach. Fewer follow noise, more follow a model that has moved on."""
AT_MOST = 4
"""Batches that a step draws at most: beyond, generation takes longer than what is won."""


class TeachingShare:
    """Groups drawn and groups that taught, of the last steps. Its state is plain numbers."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int]] = deque(maxlen=STEPS)

    def note(self, drawn: int, teaching: int) -> None:
        self._steps.append((drawn, teaching))

    def prompts(self, batch: int, multiple: int, rows: int) -> int:
        """Prompts of the next step: a multiple of `multiple`, of `rows` that there are; a batch at first."""
        drawn, teaching = (sum(step[i] for step in self._steps) for i in (0, 1))
        wanted = batch * drawn / teaching if teaching else (AT_MOST * batch if drawn else batch)
        rounded = multiple * math.ceil(wanted / multiple - 1e-9)
        return max(batch, min(rounded, AT_MOST * batch, rows // multiple * multiple))

    def state(self) -> list[list[int]]:
        return [list(step) for step in self._steps]

    def restore(self, state: Sequence[Sequence[int]]) -> None:
        self._steps = deque(((drawn, teaching) for drawn, teaching in state), maxlen=STEPS)
