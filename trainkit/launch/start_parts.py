"""From the command to the first step: the parts of a start and their seconds, as verl's log shows them."""

from __future__ import annotations

import time
from pathlib import Path

from prompts.files import write_json

FILE_NAME = "start_parts.json"
ENDS = (
    ("Ray", b"Started a local Ray instance"),
    ("trainer", b"train and validate dataloader initialized"),
    ("model", b"actor and ref model engine initialized"),
    ("vLLM", b"checkpoint engine manager initialized"),
    ("validation", b"Training Progress:"),
)
"""The parts that follow preparation, in order, and what verl prints when one ends."""


class StartParts:
    """Watches verl's log until the first step; `begin` is the moment of the command (seconds since 1970)."""

    def __init__(self, run: Path, begin: float) -> None:
        self._run, self._begin = run, begin
        log = run / "verl.log"
        self._offset = log.stat().st_size if log.exists() else 0
        self._since = time.time()
        self.parts = {"preparation": self._since - begin}

    @property
    def complete(self) -> bool:
        return ENDS[-1][0] in self.parts

    def poll(self) -> str | None:
        """Take in what is new in the log; the sentence about the start, once, when the first step begins."""
        log = self._run / "verl.log"
        if self.complete or not log.exists():
            return None
        with log.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        self._offset += new.rfind(b"\n") + 1  # a line that is half written is read again
        for name, mark in ENDS:
            if name not in self.parts and mark in new:
                now = time.time()
                self.parts[name], self._since = now - self._since, now
        if not self.complete:
            return None
        return self._finish()

    def _finish(self) -> str:
        whole = sum(self.parts.values())
        rounded = {name: round(seconds, 1) for name, seconds in self.parts.items()}
        write_json(self._run / FILE_NAME, {"seconds": round(whole, 1), "parts": rounded})
        parts = ", ".join(f"{name} {seconds:.0f}" for name, seconds in rounded.items())
        return f"{whole:.0f} s from the command to the first step ({parts})"
