"""What a wrong prompt costs: one model under every template of a task, compared with the best one.

The one place where runs under different prompts are compared on purpose.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from evalkit.compare.diff import Diff, diff_runs
from evalkit.engines.base import Engine, EngineOptions
from evalkit.engines.load import check_engine, make_engine
from evalkit.models.resolve import Model
from evalkit.records import Sampling
from evalkit.runs.folder import Run
from evalkit.score.pipeline import score_model
from evalkit.score.plan import RunPlan, plan_run
from evalkit.tasks.task import Task
from evalkit.text import interval, json_text, percent, points, render_grid
from prompts.errors import UserError
from prompts.registry import load_templates
from prompts.template import Template
from prompts.tokens import load_tokenizer


@dataclass(frozen=True)
class Cost:
    """Runs of one model and task, the best first, with each one's paired difference to the best."""

    runs: tuple[Run, ...]
    diffs: tuple[Diff | None, ...]


def prompt_cost(
    model: Model,
    task: Task,
    *,
    folders: Sequence[Path] = (),
    sampling: Sampling,
    engine: str,
    options: EngineOptions,
    command: str,
    results: Path,
) -> Cost:
    """Score the model under every template that serves the task, with one load of the engine.

    Runs that are complete already are not run again. Raises UserError where no template serves it.
    """
    plans = [
        plan_run(
            model,
            task,
            prompt=template.ref,
            folders=folders,
            sampling=sampling,
            engine=engine,
            options=options,
            allow_mismatch=True,
        )
        for template in templates_for(model, task, folders, options)
    ]
    with closing(_SharedEngine(plans, results)) as shared:
        runs = [score_model(plan, command=command, results=results, load=shared.load) for plan in plans]
    runs.sort(key=lambda run: run.summary.accuracy, reverse=True)
    best = runs[0]
    diffs = [None if run is best else diff_runs(best, run, allow_mismatch=True) for run in runs]
    return Cost(tuple(runs), tuple(diffs))


def templates_for(
    model: Model, task: Task, folders: Sequence[Path], options: EngineOptions
) -> list[Template]:
    """The newest version of each template that serves the task and that the tokenizer can render."""
    newest: dict[str, Template] = {}
    for template in sorted(load_templates(folders).values(), key=lambda t: t.version):
        if template.serves(task.name.partition(":")[0] if task.name.startswith("sums:") else task.name):
            newest[template.name] = template
    if not load_tokenizer(model.folder, options.trust_remote_code).chat_template:
        skipped = [template.ref for template in newest.values() if template.kind == "chat"]
        print(f"{model.name} has no chat template, left out: {', '.join(skipped)}", file=sys.stderr)
        newest = {name: template for name, template in newest.items() if template.kind == "raw"}
    if len(newest) < 2:
        raise UserError(
            f"{len(newest)} prompt template(s) serve task {task.name}, two are needed to compare; "
            "write one that names it under `tasks`: evalkit prompts new NAME --prompts DIR"
        )
    return list(newest.values())


class _SharedEngine:
    """Loads the engine at the first plan that needs it, with room for the longest of all prompts."""

    def __init__(self, plans: Sequence[RunPlan], results: Path) -> None:
        self._plans, self._results = plans, results
        self._engine: Engine | None = None

    def load(self, plan: RunPlan) -> Engine:
        if self._engine is None:
            check_engine(plan.engine, plan.options)
            if warning := next((p.warning for p in self._plans if p.warning), None):
                print(f"warning: {warning}", file=sys.stderr)
            longest = max(plan.needed for plan in self._plans)
            print(f"loading {plan.model.name} into {plan.engine}", file=sys.stderr)
            options = replace(plan.options, max_model_len=longest, log=self._results / "engine.log")
            self._engine = make_engine(plan.engine, plan.model, options)
        return self._engine

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


def render_cost(cost: Cost, format: Literal["table", "json", "csv", "markdown"]) -> str:
    """One line a prompt: accuracy, what it costs against the best one, and how much of that is format."""
    if format == "json":
        lines = [
            {
                "prompt": run.manifest.template,
                "run": run.name,
                "summary": run.summary.as_dict(),
                "against_best": diff.as_dict() if diff else None,
            }
            for run, diff in zip(cost.runs, cost.diffs, strict=True)
        ]
        return json_text(lines)
    header = ["prompt", "accuracy", "95 % CI", "lenient", "no answer", "truncated", "costs", "95 % CI", "p"]
    cells = [_line(run, diff) for run, diff in zip(cost.runs, cost.diffs, strict=True)]
    return render_grid(header, cells, format)


def _line(run: Run, diff: Diff | None) -> list[str]:
    summary = run.summary
    shares = [summary.lenient_accuracy, summary.no_answer, summary.truncated]
    cells = [run.manifest.template, percent(summary.accuracy), interval(*summary.ci)]
    cells += map(percent, shares)
    if diff is None:
        return [*cells, "best", "", ""]
    costs = f"{points(-diff.delta)} points"
    return [*cells, costs, interval(-diff.ci.high, -diff.ci.low), f"{diff.p_value:.2g}"]
