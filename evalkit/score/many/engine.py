"""One engine for a row of plans: weights are swapped, and where that cannot be proven it starts afresh."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from evalkit.engines.base import Engine
from evalkit.engines.load import check_engine
from evalkit.score.pipeline import load_engine
from evalkit.score.plan import RunPlan
from evalkit.score.resume import default_folder


class SwappingEngine:
    """Hands out an engine with the weights of each plan; `load` is what `score_model` takes."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._engine: Engine | None = None
        self._plan: RunPlan | None = None

    def load(self, plan: RunPlan) -> Engine:
        """The engine with this plan's weights. Raises as `load_engine` does."""
        if self._engine is not None and self._plan is not None:
            unlike = _unlike(plan, self._plan)
            if unlike is None and _same_model(plan, self._plan):
                return self._engine
            start = time.monotonic()
            reason = unlike or self._engine.swap(plan.model)
            if reason is None:
                how = "weights swapped and compared" if self._engine.swapped else "weights loaded"
                print(f"{plan.model.name}: {how} in {time.monotonic() - start:.1f} s", file=sys.stderr)
                self._plan = replace(plan, options=self._plan.options, prompts=self._plan.prompts)
                return self._engine
            print(f"{plan.model.name}: a fresh start, since {reason}", file=sys.stderr)
            self.close()
        plan = replace(plan, options=replace(plan.options, swappable=True))
        check_engine(plan.engine, plan.options)
        self._engine = load_engine(plan, default_folder(plan, self._results))
        self._plan = plan
        return self._engine

    def close(self) -> None:
        """Free the memory of the engine, where there is one."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None


def _unlike(plan: RunPlan, held: RunPlan) -> str | None:
    """Why an engine that was loaded for one plan cannot serve another, whatever the weights."""
    if plan.needed > held.needed:
        return f"its prompts need {plan.needed:,} positions, the engine has {held.needed:,}"
    return None


def _same_model(plan: RunPlan, held: RunPlan) -> bool:
    """Two folders with the same weights may differ in config.json: those are swapped, which compares it."""
    one, other = plan.model, held.model
    return one.folder == other.folder and one.weights_sha256 == other.weights_sha256
