"""Reads the folder of a training run while it grows: options, prompt, metrics, rollouts, log.

Console, `trainkit watch` and `trainkit doctor` all see a run through this one reader, so that they
cannot disagree. Recorded runs may be gzipped.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from prompts.errors import UserError

Line = dict[str, Any]
VALIDATION = re.compile(r"val-core/(.+)/acc/mean@\d+")


def existing(path: Path) -> Path | None:
    """The file, or its gzipped form (recorded runs), or None."""
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.exists():
            return candidate
    return None


def open_bytes(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


class GrowingLines:
    """A JSONL file that somebody else appends to: each call gives the lines that are new and whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> Iterator[Line]:
        """Yield what came since the last call; a torn last line waits for its end.

        Raises UserError where a whole line is no JSON object.
        """
        path = existing(self._path)
        if path is None:
            return
        with open_bytes(path) as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                try:
                    value = json.loads(line)  # not orjson: it refuses NaN, and a NaN must be seen here
                except ValueError as error:
                    raise UserError(f"{path} holds a line that is no JSON: {error}") from None
                if not isinstance(value, dict):
                    raise UserError(f"{path} holds a line that is no object: {line[:60]!r}")
                yield value


class TrainingRun:
    """A folder that `trainkit grpo` made, read as far as it has got.

    `job` is the content of train.json (trainkit/runs/job.py). `metrics` holds one line a step, verl's names
    beside our `trainkit/…` (trainkit/runs/metrics.py); validation before the first step is step 0.
    Raises UserError where the folder is no training run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = existing(folder / "train.json")
        if path is None:
            raise UserError(
                f"{folder} is no training run (no train.json); `trainkit grpo` makes one in runs/"
            )
        with open_bytes(path) as file:
            self.job: Line = json.loads(file.read())
        self._lines = GrowingLines(folder / "metrics.jsonl")
        self.metrics: list[Line] = []
        self.refresh()

    def refresh(self) -> bool:
        """Read the steps that were added since the last call; True where there were some."""
        before = len(self.metrics)
        self.metrics.extend(self._lines.new())
        return len(self.metrics) > before

    @property
    def options(self) -> Line:
        """The resolved options of the run, under the names of trainkit/options.py."""
        options: Line = self.job["options"]
        return options

    @property
    def rule(self) -> str:
        """The extraction rule of the reward, without its version."""
        return str(self.job["rule"]).split("@")[0]

    @cached_property
    def prompt(self) -> str:
        """One prompt as the model reads it, from the lock's probe; "" where the run has no lock."""
        path = existing(self.folder / "prompt.lock.json")
        if path is None:
            return ""
        with open_bytes(path) as file:
            probe: Line = json.loads(file.read())["reading"]["probe"]
        return str(next(iter(probe.values()))["text"])

    def missing(self) -> list[str]:
        """Files of a run that has begun which are not in its folder (a recorded run leaves some out)."""
        names = ("prompt.lock.json", "metrics.jsonl", "rollouts.jsonl", "verl.log")
        return [name for name in names if existing(self.folder / name) is None]

    @property
    def steps(self) -> list[Line]:
        """The lines of steps that trained something (validation before the first is left out)."""
        return [line for line in self.metrics if "timing_s/step" in line]

    @property
    def complete(self) -> bool:
        """Whether the last step is done; one whose metrics were lost has its validation alone."""
        return bool(self.metrics) and self.metrics[-1]["step"] >= self.job["total_steps"]

    def first_rollouts(self) -> list[Line]:
        """The training rollouts of the first step that has any."""
        rollouts: list[Line] = []
        for rollout in GrowingLines(self.folder / "rollouts.jsonl").new():
            if rollout["validate"]:
                continue
            if rollouts and rollout["step"] != rollouts[0]["step"]:
                break
            rollouts.append(rollout)
        return rollouts

    def series(self, name: str) -> list[tuple[int, float]]:
        """The (step, value) pairs of one metric, in order of steps; steps without it are left out."""
        return [(line["step"], float(line[name])) for line in self.metrics if line.get(name) is not None]

    def validation(self) -> list[tuple[int, float]]:
        """Validation accuracy by step (verl's `val-core/<source>/acc/mean@1`); of several sets the mean."""
        steps: dict[int, list[float]] = {}
        for series in self.validations().values():
            for step, value in series:
                steps.setdefault(step, []).append(value)
        return [(step, sum(values) / len(values)) for step, values in sorted(steps.items())]

    def validations(self) -> dict[str, list[tuple[int, float]]]:
        """Validation accuracy by set and step."""
        found: dict[str, list[tuple[int, float]]] = {}
        for line in self.metrics:
            for name, value in line.items():
                if match := VALIDATION.fullmatch(name):
                    found.setdefault(match[1], []).append((line["step"], float(value)))
        return found

    def log_tail(self, size: int = 2_000_000) -> str:
        """The end of verl.log (bytes), with colour codes removed."""
        path = existing(self.folder / "verl.log")
        if path is None:
            return ""
        with open_bytes(path) as file:
            if path.suffix != ".gz":
                file.seek(max(0, path.stat().st_size - size))
            text = file.read().decode(errors="replace")
        return re.sub(r"\x1b\[[0-9;]*m", "", text)
