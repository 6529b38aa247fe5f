"""The five functions of `from evalkit import …`; docs/python.md shows each in use.

All raise `prompts.errors.UserError` (Mismatch, Failed) with the message that the command line prints.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from evalkit.compare.diff import Diff, diff_runs
from evalkit.extract.reading import extract
from evalkit.grade.grade import grade
from evalkit.records import Extraction, Grade
from evalkit.runs.find import find_run
from evalkit.runs.folder import Run
from evalkit.settings import settings
from prompts.errors import UserError


def score_model(
    model: str | Path, task: str | list[str], *, results: Path | None = None, **options: Any
) -> Run:
    """Score a model on a task, or several, as `evalkit score` does, and return the finished run.

    `options` are those of the command, as `evalkit.score.options.ScoreOptions` names them: split, prompt,
    limit, samples, temperature, engine, output and so on. `results` is the folder that the run is written
    to (by default the settings' one). A run that is complete already is returned without an engine.

    Raises UserError for bad options and TypeError for unknown ones, Mismatch where the model is locked to
    other prompts or was trained on these rows, Failed where the engine fails.
    """
    from evalkit.engines.vllm_install import preload_openmp

    preload_openmp()
    from evalkit.score.from_options import plan_of
    from evalkit.score.options import ScoreOptions
    from evalkit.score.pipeline import score_model as score_plan

    asked = ScoreOptions(model=[str(model)], task=[task] if isinstance(task, str) else task, **options)
    command = _command({"model": model, "task": task, **options})
    folder = results or settings().results
    return score_plan(plan_of(asked), command=command, results=folder, output=asked.output)


def _command(options: dict[str, Any]) -> str:
    """The `evalkit score` command that asks for the same."""
    words = ["evalkit", "score"]
    for name, value in options.items():
        for part in value if isinstance(value, list | tuple) else [value]:
            if part is not None and part is not False:
                words += [f"--{name.replace('_', '-')}", *([] if part is True else [str(part)])]
    return shlex.join(words)


def load_run(name: str | Path, *, results: Path | None = None) -> Run:
    """The complete run of this name: a folder, a name, the start of one, `step_50` or `demo:step_50`.

    `Run.frame()` gives its records as a pandas DataFrame. Raises UserError where nothing or more than one
    run fits.
    """
    return find_run(str(name), results or settings().results)


def compare_runs(
    base: Run | str | Path, new: Run | str | Path, *, common: bool = False, allow_mismatch: bool = False
) -> Diff:
    """Compare two runs question by question, as `evalkit diff` does; shares, not points.

    Runs are given as `load_run` takes or returns them. `common` compares runs of different rows on those
    they share; `allow_mismatch` also compares runs that were read or drawn differently, and marks the result.

    Raises UserError where a run cannot be read, Mismatch where they differ in what must be equal.
    """
    pair = [run if isinstance(run, Run) else load_run(run) for run in (base, new)]
    return diff_runs(*pair, common=common, allow_mismatch=allow_mismatch)


def read_answer(text: str, rule: str = "lenient") -> Extraction:
    """The answer that a rule reads from a completion: `answer` (None where there is none), `rule`, `span`.

    Never raises for a text; UserError for an unknown rule.
    """
    return extract(text, rule)


def grade_answer(text: str, gold: str, rule: str) -> Grade:
    """Read a completion with a rule and compare it with the gold: `outcome` and `reason`.

    `outcome` is "correct", "wrong", "no_answer" or "unscored" (a gold that the rule cannot compare). A reward
    is `float(grade_answer(text, gold, rule).outcome == "correct")`, which is what training uses.

    Never raises for a text; UserError for an unknown rule or a gold that is no text.
    """
    if not isinstance(gold, str):
        raise UserError(f"gold is {type(gold).__name__}, not a text: {gold!r}")
    return grade(extract(text, rule), gold)
