"""The progress of a run on stderr: done/total, running accuracy, tokens per second, time left."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from evalkit.records import Outcome
from evalkit.text import percent, printable

EVERY = 15.0
"""Seconds between two lines where stderr is no terminal."""


class RunProgress:
    """A bar on a terminal, a line now and then elsewhere. Use as a context manager."""

    def __init__(self, label: str, total: int, done: int) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            refresh_per_second=4,
        )
        self._label = printable(label)
        self._task = self._bar.add_task(printable(label), total=total, completed=done, figures="")
        self._total, self._done = total, done
        self._right = self._scored = self._tokens = 0
        self._start = self._said = time.monotonic()

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def add(self, outcome: Outcome, tokens: int) -> None:
        """One more completion. Accuracy and speed are those of this process."""
        self._done += 1
        self._tokens += tokens
        self._right += outcome == "correct"
        self._scored += outcome != "unscored"
        if not self._bar.disable:
            self._bar.update(self._task, advance=1, figures=self._figures())
        elif time.monotonic() - self._said > EVERY:
            self._said = time.monotonic()
            print(f"{self._label}: {self._done}/{self._total}, {self._figures()}", file=sys.stderr)

    def _figures(self) -> str:
        seconds = max(time.monotonic() - self._start, 1e-6)
        accuracy = f"{percent(self._right / self._scored)} right, " if self._scored else ""
        return f"{accuracy}{self._tokens / seconds:,.0f} tokens/s"
