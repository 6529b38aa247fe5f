"""A training run from its options to its last checkpoint: prepare, run verl, watch what it does."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.models.checkpoint import last_complete_step, list_steps
from evalkit.process_start import process_started
from evalkit.settings import settings
from prompts.errors import Failed
from prompts.files import read_json
from trainkit.diagnose.doctor import first_step_verdict
from trainkit.launch.cluster import check_nodes, cluster_arguments, handed_over
from trainkit.launch.draw_settings import GIVE_UP_AFTER
from trainkit.launch.environment import added_environment, environment
from trainkit.launch.leftover import end_leftovers
from trainkit.launch.process import hold, run_verl
from trainkit.launch.start_parts import StartParts
from trainkit.options import Options
from trainkit.plan.table import sentences
from trainkit.plugins.versions import check_versions
from trainkit.prepare import Prepared, prepare, run_folder
from trainkit.runs.job import Job
from trainkit.runs.lines import Line
from trainkit.runs.metrics import Follower, validation_accuracy
from trainkit.runs.shaping import in_words
from trainkit.verify.ends import COMPARISON, compare_ends
from trainkit.verify.tokens import check_tokens
from trainkit.watch.console import Monitor
from trainkit.watch.watch import score_tasks


def train(options: Options) -> Path:
    """Train as asked; returns the run's folder.

    Raises UserError and Mismatch before anything heavy starts, Failed where training fails.
    KeyboardInterrupt leaves a run that the same command resumes.
    """
    check_versions()  # before anything is made
    with hold(run_folder(options)) as lock:
        if ended := end_leftovers(run_folder(options)):
            say(f"ended what a killed start of this run had left: {', '.join(map(str, ended))}")
        prepared = prepare(options)
        folder, job = prepared.folder, prepared.job
        if prepared.progress.complete:
            say(f"{folder.name} is complete: {prepared.progress.step} steps; give more --steps to continue")
            if not (folder / COMPARISON).exists():
                say(compare_ends(folder))
            return folder
        say(summary(prepared))
        env = environment(folder, str(options.device), 0 if prepared.progress.step else to_capture(job))
        command = job.command
        if options.nodes > 1:
            capture = 0 if prepared.progress.step else to_capture(job)
            variables = handed_over(added_environment(folder, str(options.device), capture, options.nodes))
            gpus = prepared.plan.request.gpus // options.nodes
            nodes = check_nodes(folder, job.model_folder, variables, nodes=options.nodes, gpus=gpus)
            say(f"asked {len(nodes)} nodes: same packages, tokenizer and run folder")
            command = [*command, *cluster_arguments(variables)]
        try:
            with Monitor(folder) as monitor:
                watch = Watch(prepared, options, monitor)
                run_verl(command, folder, env, lock, watch.poll)
        except KeyboardInterrupt:
            step = last_complete_step(folder)
            where = f"after global_step_{step}" if step else "from the start"
            say(f"stopped; the same command resumes {where}")
            raise
        watch.finish()
        return folder


def summary(prepared: Prepared) -> str:
    """What is about to happen: rows, folder, and the plan in words."""
    job, options = prepared.job, prepared.job.options
    rows = job.rows
    left_out = f", {rows['too_long_train']} too long and left out" if rows.get("too_long_train") else ""
    step = prepared.progress.step
    begin = f"resumes after step {step}" if step else "starts"
    return (
        f"{options.algorithm} {begin}: {options.model} on {options.tasks} under "
        f"{', '.join(dict.fromkeys(part.template for part in job.parts))} "
        f"[{job.fingerprint}]; {rows['train']} training rows{left_out}, {rows['validation']} for validation\n"
        f"{prepared.folder}\n"
        + "\n".join(sentences(prepared.plan))
        + (f"\nreward: {in_words(job.reward.terms)}; the score stays what counts" if job.reward else "")
        + "".join(f"\nmarked: {mark}" for mark in job.marks)
        + "".join(f"\nwarning: {warning}" for warning in prepared.warnings)
    )


def to_capture(job: Job) -> int:
    """Requests of the first validation and the first step; dapo asks again where it drops groups."""
    step = job.options.batch * job.options.samples
    return int(
        job.rows["validation"] + step * (1 + (GIVE_UP_AFTER if job.options.algorithm == "dapo" else 0))
    )


@dataclass
class Watch:
    """What is done with each new line of metrics: show, check, stop, keep the best checkpoints."""

    prepared: Prepared
    options: Options
    monitor: Monitor
    accuracies: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.follower = Follower(self.prepared.folder)
        self.start = StartParts(self.prepared.folder, process_started())
        # A resumed run has validated before.
        self.accuracies.update(self.monitor.run.validation())

    def poll(self) -> None:
        if begun := self.start.poll():
            say(begun)
        lines = self.follower.poll()
        if lines:
            self.monitor.refresh()
        for line in lines:
            self.take(line)

    def take(self, line: Line) -> None:
        if line["step"] == 1 and "timing_s/step" in line:
            self.after_first_step()
        accuracy = validation_accuracy(line)
        if accuracy is not None:
            self.accuracies[line["step"]] = accuracy
            keep_best(self.prepared.folder, self.accuracies, self.options.keep)

    def after_first_step(self) -> None:
        """The proof about tokens, and the question whether there is anything to learn from."""
        say(check_tokens(self.prepared.folder, self.prepared.job).sentence())
        verdict = first_step_verdict(self.prepared.folder)
        if verdict and not self.options.go_on:
            raise Failed(f"every reward of the first step is zero. {verdict} (--go-on trains all the same)")

    def finish(self) -> None:
        folder, total = self.prepared.folder, self.prepared.job.total_steps
        done = last_complete_step(folder)
        if done is None or done < total:
            raise Failed(f"verl ended after step {done} of {total}; see {folder}/verl.log")
        if self.accuracies:
            best = max(self.accuracies, key=lambda step: (self.accuracies[step], -step))
            say(f"best validation accuracy {self.accuracies[best]:.3f} at step {best}")
        say(compare_ends(folder))
        found = folder.parent == settings().runs.absolute()
        best = best_saved(self.accuracies, list_steps(folder)) or done
        model = f"{folder.name}:step_{best}" if found else folder / f"global_step_{best}"
        of = f" (the best saved by validation; the last is step_{done})" if best != done else ""
        say(f"done{of}: evalkit score --model {model} {shlex.join(score_tasks(self.options))}")


def best_saved(accuracies: Mapping[int, float], saved: Sequence[int]) -> int | None:
    """The saved step of the best validation accuracy, of several the last; None where none was validated."""
    return max((step for step in saved if step in accuracies), key=lambda s: (accuracies[s], s), default=None)


def keep_best(folder: Path, accuracies: dict[int, float], keep: int | None) -> None:
    """Remove checkpoints that are neither among the best `keep` nor the last one.

    Without `keep` only those go that were saved because they might be the best, and are not.
    """
    steps = list_steps(folder)
    scored = sorted((s for s in steps if s in accuracies), key=lambda s: (accuracies[s], s), reverse=True)
    for step in scored[keep or 1 :]:
        if step != steps[-1] and (keep or _saved_for_validation(folder / f"global_step_{step}")):
            shutil.rmtree(folder / f"global_step_{step}")


def _saved_for_validation(checkpoint: Path) -> bool:
    path = checkpoint / "manifest.json"
    return path.exists() and read_json(path).get("saved_for") == "validation"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
