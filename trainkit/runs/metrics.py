"""Follows a training run from its files: verl's metrics and our rollouts become metrics.jsonl.

Each step's line holds verl's metrics under verl's names and what the rollouts of that step say under
`trainkit/…`. Validations before the first step stand under step 0.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from prompts.errors import Failed
from prompts.files import whole_file, write_whole
from prompts.reading.thinking import UNREAD
from trainkit.runs.lines import GrowingLines, Line, metrics_line
from trainkit.runs.rollout import FILE_NAME, Rollout, growing_rollouts


@dataclass
class StepRollouts:
    """Sums over the training rollouts of one step."""

    count: int = 0
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    rewards: dict[str, set[float]] = field(default_factory=lambda: defaultdict(set))
    right: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    """By task whether each answer is correct."""

    def add(self, rollout: Rollout) -> None:
        self.count += 1
        self.sums["acc"] += rollout.correct
        self.sums["reward"] += rollout.reward
        self.sums["lenient"] += rollout.lenient_outcome == "correct"
        self.sums["no_answer"] += rollout.outcome == "no_answer"
        self.sums["truncated"] += rollout.truncated
        if rollout.thinking_tokens is not None:
            self.sums["unfinished_thinking"] += rollout.reason in UNREAD
            self.sums["thinking_tokens"] += rollout.thinking_tokens
        self.sums["completion_tokens"] += rollout.completion_tokens
        self.sums["hook_seconds"] += rollout.hook_seconds
        self.right[rollout.source or ""].append(rollout.correct)
        self.rewards[rollout.drawn].add(rollout.reward)

    def metrics(self) -> dict[str, float]:
        """Means over rollouts, the share of questions without advantage, and our own time in seconds."""
        if not self.count:
            return {}
        means = {f"trainkit/{name}": total / self.count for name, total in self.sums.items()}
        means["trainkit/hook_seconds"] = self.sums["hook_seconds"]
        if len(self.right) > 1:
            means |= {f"trainkit/acc/{task}": sum(right) / len(right) for task, right in self.right.items()}
        same = sum(len(rewards) == 1 for rewards in self.rewards.values())
        return {**means, "trainkit/no_advantage": same / len(self.rewards), "trainkit/rollouts": self.count}


class Follower:
    """Reads what is new in the run's folder; `poll` returns the lines that were added to metrics.jsonl."""

    def __init__(self, run: Path) -> None:
        self.path = run / "metrics.jsonl"
        self.metrics = GrowingLines(run / "verl_metrics.jsonl", metrics_line)
        self.rollouts = growing_rollouts(run)
        self.steps: dict[int, StepRollouts] = defaultdict(StepRollouts)

    def poll(self) -> list[Line]:
        """Take new lines over into metrics.jsonl."""
        if lines := self.read():
            self._append(lines)
        return lines

    def read(self) -> list[Line]:
        """The lines that are new. The rollouts of a step are all written before verl logs the step."""
        fresh = list(self.metrics.new())
        for rollout in self.rollouts.new():
            if not rollout.validate:
                self.steps[rollout.step].add(rollout)
        lines = []
        for entry in fresh:
            ours = self.steps.pop(entry["step"], StepRollouts()).metrics()
            lines.append({"step": entry["step"], **entry["data"], **ours})
        return lines

    def _append(self, lines: list[Line]) -> None:
        try:
            with self.path.open("ab") as file:
                file.writelines(map(_as_line, lines))
        except OSError as error:
            raise Failed(f"{self.path} cannot be written: {error.strerror}; free some space") from None


def validation_accuracies(line: Line) -> dict[str, float]:
    """The validation accuracy of each set in a line of metrics; empty where the step was not validated."""
    found = {}
    for name, value in line.items():
        if name.startswith("val-core/") and "/acc/mean@" in name:
            found[name.removeprefix("val-core/").rpartition("/acc/mean@")[0]] = float(value)
    return found


def validation_accuracy(line: Line) -> float | None:
    """The accuracy that chooses the best step: of several sets the mean; None where none was validated."""
    found = validation_accuracies(line)
    return sum(found.values()) / len(found) if found else None


PHASES = {
    "generate": ("timing_s/gen",),
    "log-probs": ("timing_s/old_log_prob", "timing_s/ref", "timing_s/values"),
    "update": ("timing_s/update_actor", "timing_s/update_critic"),
    "sync": ("timing_s/update_weights",),
    "save": ("timing_s/save_checkpoint",),
    "validate": ("timing_s/testing",),
}


def phase_seconds(line: Line) -> dict[str, float]:
    """Seconds by phase of one step, phases that did not run left out."""
    sums = {phase: sum(line.get(name, 0.0) for name in names) for phase, names in PHASES.items()}
    return {phase: seconds for phase, seconds in sums.items() if seconds >= 0.05}


def describe(line: Line, total_steps: int) -> str:
    """One line of console output for one line of metrics."""
    sets = validation_accuracies(line)
    parts = []
    if "timing_s/step" in line:
        parts.append(f"reward {line.get('trainkit/reward', line['critic/score/mean']):.3f}")
        if line.get("trainkit/reward", score := line.get("trainkit/acc")) != score:
            parts.append(f"score {score:.3f}")
        by_task = {name: value for name, value in line.items() if name.startswith("trainkit/acc/")}
        parts += [f"{name.removeprefix('trainkit/acc/')} {value:.3f}" for name, value in by_task.items()]
        parts += [
            f"{name.replace('_', '-')} {line[f'trainkit/{name}']:.0%}"
            for name in ("no_answer", "unfinished_thinking", "truncated", "no_advantage")
            if f"trainkit/{name}" in line
        ]
        if line.get("training/groups_teaching") == 0:
            parts.append("no group teaches: nothing is learned in this step")
        seconds = line["timing_s/step"]
        phases = ", ".join(f"{phase} {value:.1f}" for phase, value in phase_seconds(line).items())
        parts.append(f"{seconds:.1f} s ({phases})")
    for name, accuracy in sets.items():
        parts.append(f"validation accuracy {f'of {name} ' if len(sets) > 1 else ''}{accuracy:.3f}")
    return f"step {line['step']}/{total_steps}  " + "  ".join(parts)


def known_metrics(run: Path) -> dict[int, Line]:
    """The metrics of each step, also of those that verl wrote and nobody read: trainkit was killed."""
    metrics: dict[int, Line] = defaultdict(dict)
    for line in (*Follower(run).read(), *GrowingLines(run / "metrics.jsonl", metrics_line).new()):
        metrics[line["step"]].update(line)
    return dict(sorted(metrics.items()))


def cut_back(run: Path, step: int | None) -> None:
    """Drop what was logged after the checkpoint from which a run resumes, so that no step counts twice.

    None is a start from the base model, which is validated again. A validation that did not end is
    dropped.
    """
    last = -1 if step is None else step
    metrics = {at: line for at, line in known_metrics(run).items() if at <= last}
    write_whole(run / "metrics.jsonl", b"".join(map(_as_line, metrics.values())))
    rollouts = run / FILE_NAME
    if rollouts.exists():
        with whole_file(rollouts) as path, rollouts.open("rb") as source, path.open("wb") as target:
            for text in source:
                if not text.endswith(b"\n"):
                    break  # torn
                line = orjson.loads(text)
                if line["step"] <= last and (line["step"] in metrics or not line["validate"]):
                    target.write(text)
    # What proves the prompts of the first step belongs to the run as long as that step does.
    of_engines = [path.name for path in run.glob("tokens_vllm*.jsonl")]
    again = ("tokens_batch.jsonl", *of_engines) if step is None else ()
    for name in ("verl_metrics.jsonl", "rollout_error.txt", *again):
        (run / name).unlink(missing_ok=True)


def _as_line(value: Line) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
