"""Reads the folder of a training run while it grows: options, prompt, metrics, rollouts, log.

Console, `trainkit watch` and `trainkit doctor` all see a run through this one reader, so that they
cannot disagree. Recorded runs may be gzipped.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path

from prompts.errors import UserError
from trainkit.options import Options
from trainkit.runs.job import FILE_NAME, read_job
from trainkit.runs.lines import GrowingLines, Line, existing, metrics_line, open_bytes
from trainkit.runs.rollout import Rollout, read_rollouts

VALIDATION = re.compile(r"val-core/(.+)/acc/mean@\d+")


class TrainingRun:
    """A folder that `trainkit grpo` made, read as far as it has got.

    `job` is what train.json says (trainkit/runs/job.py). `metrics` holds one line a step, verl's names
    beside our `trainkit/…` (trainkit/runs/metrics.py); validation before the first step is step 0.
    Raises UserError where the folder is no training run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if existing(folder / FILE_NAME) is None:
            raise UserError(
                f"{folder} is no training run (no {FILE_NAME}); `trainkit grpo` makes one in runs/"
            )
        self.job = read_job(folder)
        self._lines = GrowingLines(folder / "metrics.jsonl", metrics_line)
        self.metrics: list[Line] = []
        self.refresh()

    def refresh(self) -> bool:
        """Read the steps that were added since the last call; True where there were some."""
        before = len(self.metrics)
        self.metrics.extend(self._lines.new())
        return len(self.metrics) > before

    @property
    def options(self) -> Options:
        """The resolved options of the run."""
        return self.job.options

    @property
    def rule(self) -> str:
        """The extraction rule of the reward, without its version."""
        return self.job.rule.split("@")[0]

    @cached_property
    def reading(self) -> Line:
        """What the run's lock says of reading; empty where the run has no lock. UserError for no lock's."""
        path = existing(self.folder / "prompt.lock.json")
        if path is None:
            return {}
        try:
            with open_bytes(path) as file:
                reading = json.loads(file.read())["reading"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            reading = None
        if not isinstance(reading, dict):
            raise UserError(f"{path} is no prompt lock: it does not say what is read; restore it")
        return reading

    @cached_property
    def prompt(self) -> str:
        """One prompt as the model reads it, from the lock's probe; "" where the run has no lock."""
        if not self.reading:
            return ""
        try:
            return str(next(iter(self.reading["probe"].values()))["text"])
        except (LookupError, TypeError, AttributeError, StopIteration):
            raise UserError(f"{self.folder}/prompt.lock.json shows no prompt; restore it") from None

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
        return bool(self.metrics) and self.metrics[-1]["step"] >= self.job.total_steps

    def first_rollouts(self) -> list[Rollout]:
        """The training rollouts of the first step that has any."""
        rollouts: list[Rollout] = []
        for rollout in read_rollouts(self.folder):
            if rollout.validate:
                continue
            if rollouts and rollout.step != rollouts[0].step:
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
