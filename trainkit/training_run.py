"""Reads the folder of a training run while it grows: options, metrics, rollouts, logs, checkpoints.

Console, `trainkit watch` and `trainkit doctor` all see a run through this one reader, so that they
cannot disagree. Rollouts are tallied per step as they come; whole rollouts are kept only of the
first and of the newest step, since a long run writes gigabytes of them.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from prompts.errors import UserError

Line = dict[str, Any]


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


@dataclass
class Tally:
    """Counts over the training rollouts of one step.

    `groups` maps a question to (right, all) of its samples.
    """

    step: int
    rollouts: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    lenient: int = 0
    truncated: int = 0
    reward: float = 0.0
    tokens: int = 0
    groups: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, rollout: Line) -> None:
        right = rollout["outcome"] == "correct"
        self.rollouts += 1
        self.outcomes[rollout["outcome"]] = self.outcomes.get(rollout["outcome"], 0) + 1
        self.lenient += rollout.get("lenient_outcome") == "correct"
        self.truncated += bool(rollout["truncated"])
        self.reward += rollout["reward"]
        self.tokens += rollout["completion_tokens"]
        before = self.groups.get(rollout["id"], (0, 0))
        self.groups[rollout["id"]] = (before[0] + right, before[1] + 1)

    def share(self, count: int) -> float:
        return count / self.rollouts if self.rollouts else 0.0

    @property
    def no_advantage(self) -> float:
        """Share of questions whose samples are all right or all wrong: they teach nothing."""
        constant = sum(right in (0, total) for right, total in self.groups.values())
        return constant / len(self.groups) if self.groups else 0.0

    @property
    def mean_reward(self) -> float:
        return self.reward / self.rollouts if self.rollouts else 0.0

    @property
    def mean_tokens(self) -> float:
        return self.tokens / self.rollouts if self.rollouts else 0.0


class TrainingRun:
    """A folder that `trainkit grpo` made, read as far as it has got.

    `refresh` reads what is new. `job` is the content of train.json (trainkit/job.py). `metrics`
    holds one dict a step under verl's names; `steps` the
    tallies of the rollouts by step; `first` and `newest` the rollouts themselves of those steps.
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
        self._rollout_lines = GrowingLines(folder / "rollouts.jsonl")
        self._metric_lines = GrowingLines(folder / "metrics.jsonl")
        self.metrics: list[Line] = []
        self.steps: dict[int, Tally] = {}
        self.first: list[Line] = []
        self.newest: list[Line] = []
        self.refresh()

    @property
    def options(self) -> Line:
        """The resolved options of the run, under the names of trainkit/config.py."""
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

    def refresh(self) -> bool:
        """Read what came since the last call; True where there was something."""
        before = len(self.metrics), sum(tally.rollouts for tally in self.steps.values())
        self.metrics.extend(self._metric_lines.new())
        for rollout in self._rollout_lines.new():
            if not rollout.get("validate"):
                self._add(rollout)
        return before != (len(self.metrics), sum(tally.rollouts for tally in self.steps.values()))

    def _add(self, rollout: Line) -> None:
        step = rollout["step"]
        self.steps.setdefault(step, Tally(step)).add(rollout)
        if not self.first or self.first[0]["step"] == step:
            self.first.append(rollout)
        if self.newest and self.newest[0]["step"] != step:
            self.newest = []
        self.newest.append(rollout)

    def series(self, name: str) -> list[tuple[int, float]]:
        """The (step, value) pairs of one metric, in order of steps; steps without it are left out."""
        return [(line["step"], float(line[name])) for line in self.metrics if line.get(name) is not None]

    def validation(self) -> list[tuple[int, float]]:
        """Validation accuracy by step: verl's `val-core/<source>/acc/mean@1` (reward where acc is absent)."""
        for metric in ("acc", "reward"):
            pattern = re.compile(rf"val-(core|aux)/.+/{metric}/mean@\d+$")
            values = [
                (line["step"], float(value))
                for line in self.metrics
                for name, value in line.items()
                if pattern.match(name)
            ]
            if values:
                return values
        return []

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

    def checkpoints(self) -> list[Path]:
        """The whole checkpoints (their manifest is written last), oldest first."""
        folders = [path.parent for path in self.folder.rglob("global_step_*/manifest.json")]
        return sorted(folders, key=lambda folder: int(folder.name.rsplit("_", 1)[1]))
