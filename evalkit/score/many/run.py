"""Score model after model with one engine; while one generates, the next is merged, hashed and planned."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from evalkit.models.names import finished_steps, is_over, model_names, whole_run
from evalkit.runs.folder import Run
from evalkit.score.from_options import plan_of
from evalkit.score.many.engine import SwappingEngine
from evalkit.score.options import ScoreOptions
from evalkit.score.pipeline import score_model
from evalkit.score.plan import RunPlan
from prompts.errors import UserError

POLL = 5.0
"""Seconds between two looks for a new checkpoint."""


def check_many(asked: ScoreOptions, *, watch: bool) -> list[str]:
    """The names of all models; UserError for what several models, or --watch, do not go with.

    With `watch` there may be none yet.
    """
    run = whole_run(asked.model)
    if watch and run is None:
        raise UserError("--watch scores the checkpoints of one training run as they come: --model RUN:all")
    names = finished_steps(run) if watch and run else model_names(asked.model)
    if asked.output is not None and (watch or len(names) > 1):
        raise UserError(f"--output holds one run, {len(names)} models are named; leave it out")
    return names


def score_models(
    asked: ScoreOptions, names: Sequence[str], *, command: str, results: Path, watch: bool = False
) -> Iterator[Run]:
    """Yield the run of each model as it is complete; with `watch` also of checkpoints that come meanwhile.

    Raises what `plan_of` and `score_model` do, at the model that has the fault: runs before it stay.
    """
    waiting, known = deque(names), set(names)
    ahead: Future[RunPlan] | None = None
    with (
        ThreadPoolExecutor(1, thread_name_prefix="next model") as thread,
        closing(SwappingEngine(results)) as engine,
    ):
        while True:
            if watch:
                come = [name for name in finished_steps(asked.model[0]) if name not in known]
                waiting.extend(come)
                known.update(come)
            if ahead is None and not waiting:
                if not watch or is_over(asked.model[0]):
                    return
                time.sleep(POLL)
                continue
            plan = ahead.result() if ahead else plan_of(asked, waiting.popleft())
            ahead = thread.submit(plan_of, asked, waiting.popleft()) if waiting else None
            run = score_model(plan, command=command, results=results, load=engine.load)
            print(f"{plan.model.name}: {100 * run.summary.accuracy:.1f} % right", file=sys.stderr)
            yield run
