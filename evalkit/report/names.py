"""What the report calls its runs: as `evalkit diff` does, not by the folder's 60 characters."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.compare.verdict import short_name, tell_apart
from evalkit.runs.find import checkpoint_of
from evalkit.runs.folder import Run


def short_names(runs: Sequence[Run]) -> list[str]:
    """The shortest of step or model, whole model, prompt, task and folder that tells all runs apart."""
    ways = (
        [_step_or_model(run) for run in runs],
        [run.manifest.model.name for run in runs],
        [run.manifest.template for run in runs],
        [run.manifest.task for run in runs],
    )
    return tell_apart(ways, [run.name for run in runs])


def _step_or_model(run: Run) -> str:
    checkpoint = checkpoint_of(run)
    return short_name(checkpoint[1] if checkpoint else None, run.manifest.model.name.rstrip("/"))
