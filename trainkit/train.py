"""A training run from its options to its last checkpoint: prepare, run verl, watch what it does."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.checkpoint import last_complete_step, list_steps
from prompts.errors import Failed
from trainkit.config import Options
from trainkit.follow import Follower, describe, validation_accuracy
from trainkit.launch import environment, run_verl
from trainkit.prepare import Prepared, prepare
from trainkit.token_check import check_tokens


def train(options: Options) -> Path:
    """Train as asked; returns the run's folder.

    Raises UserError and Mismatch before anything heavy starts, Failed where training fails.
    KeyboardInterrupt leaves a run that goes on with the same command.
    """
    prepared = prepare(options)
    folder, job = prepared.folder, prepared.job
    say(summary(prepared))
    if prepared.resume_step >= job.total_steps:
        say(f"{folder.name} is complete: {job.total_steps} steps; give more --steps to go on")
        return folder
    watch = Watch(prepared, options)
    captured = 0 if prepared.resume_step else job.rows["validation"] + options.batch * options.samples
    try:
        run_verl(job.command, folder, environment(folder, str(options.device), captured), watch.poll)
    except KeyboardInterrupt:
        step = last_complete_step(folder)
        where = f"from global_step_{step}" if step else "from the start, since nothing was saved yet"
        say(f"stopped; the same command goes on {where}")
        raise
    watch.finish()
    return folder


def summary(prepared: Prepared) -> str:
    """What is about to happen, in two lines."""
    job, options = prepared.job, prepared.job.options
    rows = job.rows
    left_out = f", {rows['too_long_train']} too long and left out" if rows.get("too_long_train") else ""
    begin = f"goes on after step {prepared.resume_step}" if prepared.resume_step else "starts"
    return (
        f"{options['algorithm']} {begin}: {options['model']} on {options['task']} under {job.template} "
        f"[{job.fingerprint}]; {rows['train']} training rows{left_out}, {rows['validation']} for validation\n"
        f"{options['batch']} prompts x {options['samples']} samples a step, {job.total_steps} steps, "
        f"{job.prompt_length} + {job.response_length} tokens; {prepared.folder}"
        + "".join(f"\nmarked: {mark}" for mark in job.marks)
    )


@dataclass
class Watch:
    """What is done with each new line of metrics: print, check, stop, keep the best checkpoints."""

    prepared: Prepared
    options: Options
    accuracies: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.follower = Follower(self.prepared.folder)

    def poll(self) -> None:
        for line in self.follower.poll():
            self.take(line)

    def take(self, line: dict[str, Any]) -> None:
        say(describe(line, self.prepared.job.total_steps))
        if line["step"] == 1 and "timing_s/step" in line:
            self.after_first_step(line)
        accuracy = validation_accuracy(line)
        if accuracy is not None:
            self.accuracies[line["step"]] = accuracy
            if self.options.keep:
                keep_best(self.prepared.folder, self.accuracies, self.options.keep)

    def after_first_step(self, line: dict[str, Any]) -> None:
        """The proof about tokens, and the question whether there is anything to learn from."""
        say(check_tokens(self.prepared.folder, self.prepared.job).sentence())
        if line["trainkit/acc"] == 0 and not self.options.go_on:
            raise Failed(
                "every reward of the first step is zero, so there is nothing to learn from; "
                f"`trainkit doctor {self.prepared.folder.name}` says why, --go-on trains all the same"
            )

    def finish(self) -> None:
        folder = self.prepared.folder
        done = last_complete_step(folder)
        if done != self.prepared.job.total_steps:
            raise Failed(f"verl ended after step {done} of {self.prepared.job.total_steps}; see {folder}/verl.log")
        if self.accuracies:
            best = max(self.accuracies, key=lambda step: (self.accuracies[step], -step))
            say(f"best validation accuracy {self.accuracies[best]:.3f} at step {best}")
        say(f"done: evalkit score --model {folder.name}:step_{done} --task {self.options.task}")


def keep_best(folder: Path, accuracies: dict[int, float], keep: int) -> None:
    """Remove checkpoints that are neither among the best `keep` nor the last one."""
    steps = list_steps(folder)
    scored = sorted((s for s in steps if s in accuracies), key=lambda s: (accuracies[s], s), reverse=True)
    for step in scored[keep:]:
        if step != steps[-1]:
            shutil.rmtree(folder / f"global_step_{step}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
