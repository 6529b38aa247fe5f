"""Names of several models at once: `run:all`, `run:step_50,step_100`, or one after the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from evalkit.models.checkpoint import last_complete_step, list_steps
from evalkit.models.resolve import checkpoint_path, training_run
from prompts.errors import UserError
from prompts.files import read_json

_STEPS = re.compile(r"(?P<run>[^:]+):(?P<steps>all|(?:global_)?step_\d+(?:,(?:global_)?step_\d+)+)")


def model_names(asked: Sequence[str]) -> list[str]:
    """One name a model, in the order given; those of `run:all` are its finished checkpoints, ascending.

    Raises UserError for a run or checkpoint that is not there, and for a model that is named twice.
    """
    names: list[str] = []
    for text in asked:
        found = _STEPS.fullmatch(text)
        if found is None:
            names.append(text)
        elif found["steps"] == "all":
            if not (steps := finished_steps(text)):
                raise UserError(
                    f"{text}: {training_run(found['run'])} holds no finished checkpoint yet; "
                    f"wait for them with: evalkit score --watch --model {text} …"
                )
            names += steps
        else:
            names += [f"{found['run']}:{step}" for step in found["steps"].split(",")]
    for name in names:
        checkpoint_path(name)
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"--model names {twice} twice; name it once")
    return names


def whole_run(asked: Sequence[str]) -> str | None:
    """The one `run:all` that is asked for; None where anything else is."""
    return asked[0] if len(asked) == 1 and asked[0].endswith(":all") else None


def finished_steps(name: str) -> list[str]:
    """`run:step_N` of each checkpoint of `run:all` whose save was finished, ascending."""
    run = name.removesuffix(":all")
    folder = training_run(run)
    last = last_complete_step(folder)
    return [f"{run}:step_{step}" for step in list_steps(folder) if last is not None and step <= last]


def is_over(name: str) -> bool:
    """Whether the last step that the training run of `run:all` was planned for has been saved."""
    folder: Path = training_run(name.removesuffix(":all"))
    job = folder / "train.json"
    total = read_json(job).get("total_steps") if job.exists() else None
    last = last_complete_step(folder)
    return isinstance(total, int) and last is not None and last >= total
