"""The live console of a training run, drawn from its files: `trainkit grpo` and `trainkit watch` show it.

On a terminal one picture is kept up to date; elsewhere (a log, CI) each step is a line.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from evalkit.text import printable, rough_percent
from trainkit.plan.table import clock
from trainkit.runs.folder import TrainingRun
from trainkit.runs.lines import Line, existing
from trainkit.runs.metrics import describe, phase_seconds

BLOCKS = "▁▂▃▄▅▆▇█"
GROWING = ("verl.log", "rollouts.jsonl", "metrics.jsonl", "train.json")
QUIET_SECONDS = 600.0
"""A run whose files have not grown for so long is not being trained any more."""
CURVE = 40
"""Points of a small curve; longer series are averaged down to it."""
SHARES = (
    ("truncated", "trainkit/truncated"),
    ("no answer", "trainkit/no_answer"),
    ("unfinished thinking", "trainkit/unfinished_thinking"),
    ("no advantage", "trainkit/no_advantage"),
)
PLAIN = (
    ("entropy", "actor/entropy"),
    ("KL to the base", "actor/kl_loss"),
    ("KL to the rollouts", "actor/ppo_kl"),
    ("gradient norm", "actor/grad_norm"),
    ("response tokens", "trainkit/completion_tokens"),
    ("thinking tokens", "trainkit/thinking_tokens"),
    ("tokens a second and GPU", "perf/throughput"),
)


def curve(values: Sequence[float], low: float | None = None, high: float | None = None) -> str:
    """A series as a line of blocks, between `low` and `high` (by default its own range)."""
    values = [value for value in values if value == value]  # a NaN has no height
    if not values:
        return ""
    size = min(CURVE, len(values))
    edges = [round(i * len(values) / size) for i in range(size + 1)]
    points = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    bottom = min(points) if low is None else low
    top = max(points) if high is None else high
    span = (top - bottom) or 1.0
    steps = [(point - bottom) / span * (len(BLOCKS) - 1) for point in points]
    return "".join(BLOCKS[min(len(BLOCKS) - 1, max(0, round(step)))] for step in steps)


def seconds_left(run: TrainingRun) -> float | None:
    """Time until the last step: the median step times the steps left, validations in proportion."""
    if not run.steps:
        return None
    left = run.job.total_steps - int(run.steps[-1]["step"])
    spent = [line["timing_s/step"] for line in run.steps]
    validating = sum(line.get("timing_s/testing", 0.0) for line in run.steps) / len(run.steps)
    return float(left * (median(spent[-20:]) + validating))


def picture(run: TrainingRun) -> Group:
    """The whole console."""
    return Group(heading(run), progress(run), figures(run), phases(run), footer(run))


def heading(run: TrainingRun) -> Text:
    job, options = run.job, run.options
    return Text.assemble(
        (run.folder.name, "bold"),
        f"  {options.algorithm} of {job.base.name} on {options.tasks} under {job.template} ",
        (f"[{job.fingerprint}]", "dim"),
    )


def progress(run: TrainingRun) -> Table:
    """Bar, step, time left."""
    total = run.job.total_steps
    done = run.metrics[-1]["step"] if run.metrics else 0
    row = Table.grid(padding=(0, 2))
    row.add_row(ProgressBar(total=total, completed=done, width=40), f"step {done} of {total}", state(run))
    return row


def state(run: TrainingRun) -> str:
    """What the run is doing, from when its files were last written."""
    now = time.time()
    left, quiet = seconds_left(run), now - last_written(run.folder)
    if run.complete:
        return "done"
    if quiet > QUIET_SECONDS:
        return f"not running, nothing was written for {clock(quiet)}"
    if left is None:
        return f"starting, {clock(now - last_written(run.folder, ('train.json',)))}"
    return f"{clock(max(0.0, left - now + last_written(run.folder, ('metrics.jsonl',))))} left"


def last_written(folder: Path, names: Sequence[str] = GROWING) -> float:
    """When one of a run's files was last written (seconds since 1970)."""
    return max((path.stat().st_mtime for name in names if (path := existing(folder / name))), default=0.0)


def figures(run: TrainingRun) -> Table:
    """Newest value and curve of everything that says whether it learns."""
    table = Table("", "now", "from", "so far", box=None, pad_edge=False, padding=(0, 2))
    table.columns[1].justify = table.columns[2].justify = "right"
    sets = run.validations()
    for name, accuracy in sets.items():
        values = [value for _, value in accuracy]
        of = f" of {printable(name)}" if len(sets) > 1 else ""
        at = f"validation accuracy{of} (step {accuracy[-1][0]})"
        table.add_row(at, f"{values[-1]:.3f}", f"{values[0]:.3f}", curve(values), style="bold")
    paid = (("reward", "trainkit/reward"),) if run.job.reward else ()
    names = [name for name in (run.steps[-1] if run.steps else {}) if name.startswith("trainkit/acc/")]
    tasks = [(f"score on {printable(name.removeprefix('trainkit/acc/'))}", name) for name in names]
    score = "score" if paid else "reward"
    for name, key in (*paid, (score, "trainkit/acc"), *tasks, ("read leniently", "trainkit/lenient")):
        if series := [value for _, value in run.series(key)]:
            table.add_row(name, f"{series[-1]:.3f}", f"{series[0]:.3f}", curve(series))
    for name, key in SHARES:
        if series := [value for _, value in run.series(key)]:
            table.add_row(name, rough_percent(series[-1]), rough_percent(series[0]), curve(series, 0, 1))
    for name, key in PLAIN:
        if series := [value for _, value in run.series(key)]:
            table.add_row(name, f"{series[-1]:.4g}", f"{series[0]:.4g}", curve(series))
    return table


def phases(run: TrainingRun) -> Text:
    """Seconds of the newest step by phase."""
    if not run.steps:
        return Text("")
    line = run.steps[-1]
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in phase_seconds(line).items())
    return Text(f"{line['timing_s/step']:.1f} s a step: {parts}")


def footer(run: TrainingRun) -> Text:
    log = existing(run.folder / "verl.log")
    return Text(
        f"verl's own output: {log}" if log else "verl's own output (verl.log) is not there", style="dim"
    )


class Monitor:
    """Shows a run while it grows: `with Monitor(folder) as monitor: … monitor.refresh()`."""

    def __init__(self, folder: Path, console: Console | None = None) -> None:
        self.run = TrainingRun(folder)
        self.console = console or Console(stderr=True)
        live = Live(get_renderable=lambda: picture(self.run), console=self.console, refresh_per_second=1)
        self._live = live if self.console.is_terminal else None
        self._said = 0

    def __enter__(self) -> Monitor:
        if self._live:
            self._live.start()
        self._show()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refresh()
        if self._live:
            self._live.stop()

    def refresh(self) -> list[Line]:
        """Read what is new and show it; returns the lines that came."""
        before = len(self.run.metrics)
        if self.run.refresh():
            self._show()
        return self.run.metrics[before:]

    def _show(self) -> None:
        if self._live:
            self._live.refresh()
            return
        for line in self.run.metrics[self._said :]:
            self.console.print(
                describe(line, self.run.job.total_steps), markup=False, highlight=False, soft_wrap=True
            )
        self._said = len(self.run.metrics)
