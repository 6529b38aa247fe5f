"""What a checkpoint fixed and broke since its training began, from runs that are there."""

from __future__ import annotations

from evalkit.compare.diff import Diff, diff_runs
from evalkit.runs.find import checkpoint_of, comparable_runs
from evalkit.runs.folder import Run
from evalkit.settings import settings
from prompts.errors import UserError
from prompts.files import read_json


def since_start(run: Run) -> Diff | None:
    """A checkpoint's run against that of the model it was trained from, else of the first scored step.

    None where the run is no checkpoint's, or the results folder holds no run to compare it with that was
    made in the same way.
    """
    checkpoint = checkpoint_of(run)
    if checkpoint is None:
        return None
    others = comparable_runs(run, settings().results)
    base = _weights_of_base(checkpoint[0])
    start = [other for other in others if base and other.manifest.model.weights_sha256 == base]
    earlier = [other for other in others if (_step(other, checkpoint[0]) or checkpoint[1]) < checkpoint[1]]
    found = start or sorted(earlier, key=lambda other: _step(other, checkpoint[0]) or 0)
    return diff_runs(found[0], run) if found else None


def _step(run: Run, training: str) -> int | None:
    checkpoint = checkpoint_of(run)
    return checkpoint[1] if checkpoint and checkpoint[0] == training else None


def _weights_of_base(training: str) -> str | None:
    """The sha256 of the weights that a training run began with, as its train.json says."""
    try:
        base = read_json(settings().runs / training / "train.json").get("base")
    except UserError:
        return None
    found = base.get("weights_sha256") if isinstance(base, dict) else None
    return found if isinstance(found, str) else None
