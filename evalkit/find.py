"""Find a run by what a person types: a folder, a name, the start of one, `step_50`, `demo:step_50`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from evalkit.results import Run, list_runs, read_run
from prompts.errors import UserError

_STEP = re.compile(r"(?:(?P<run>.+):)?(?:global_)?step_(?P<step>\d+)")
_STEP_OF_MODEL = re.compile(r"(?:(?P<run>[^/:]+)[/:])?(?:global_)?step_(?P<step>\d+)(?:/.*)?$")


def find_run(name: str, root: Path, *, complete: bool = True) -> Run:
    """
    The run that `name` stands for; below `root` (the results folder) unless it is a path.

    Tried in this order: the path of a result folder; a run's full name; `step_50` or `demo:step_50`
    (the newest complete run of that checkpoint); the start of a name, if one run's alone.

    Raises UserError where nothing fits (with the `evalkit score` command that would make it), where
    several do (with the candidates), or where the run is not complete and `complete` is asked for.
    """
    if (Path(name) / "manifest.json").exists():
        run = read_run(Path(name))
    elif folders := _folders(root, name):
        run = read_run(_only(name, folders))
    elif step := _STEP.fullmatch(name):
        run = _newest_of_step(name, step["run"], step["step"], root)
    elif folders := _folders(root, f"{name}*") if name else []:
        run = read_run(_only(name, folders))
    else:
        raise UserError(_missing(name, root))
    if complete and not run.complete:
        raise UserError(f"{run.name} is still being written; finish it first: {run.manifest['command']}")
    return run


def _folders(root: Path, pattern: str) -> list[Path]:
    """Result folders below `root` (also those in results/recorded) whose name fits."""
    if "/" in pattern:
        return []
    escaped = re.sub(r"([\[?])", r"[\1]", pattern)
    return sorted(
        path.parent for level in ("", "*/") for path in root.glob(f"{level}{escaped}/manifest.json")
    )


def _only(name: str, folders: Sequence[Path]) -> Path:
    if len(folders) > 1:
        raise UserError(_ambiguous(name, [str(folder) for folder in folders]))
    return folders[0]


def _ambiguous(name: str, candidates: Sequence[str]) -> str:
    shown = "".join(f"\n  {candidate}" for candidate in candidates[:20])
    more = f"\n  and {len(candidates) - 20} more" if len(candidates) > 20 else ""
    return f"{name} fits {len(candidates)} runs; say which:{shown}{more}"


def checkpoint_of(run: Run) -> tuple[str, int] | None:
    """The training run and the step whose checkpoint a run scored, None where it is no such."""
    model = run.manifest["model"]
    for text in (model["name"], model.get("path")):
        if text and (match := _STEP_OF_MODEL.search(text)):
            return match["run"] or "", int(match["step"])
    return None


def _newest_of_step(name: str, training_run: str | None, step: str, root: Path) -> Run:
    """The newest complete run of a checkpoint; UserError where training runs share the step."""
    found: dict[str, Run] = {}
    for run in list_runs(root):
        checkpoint = checkpoint_of(run)
        if (
            run.complete
            and checkpoint
            and checkpoint[1] == int(step)
            and training_run in (None, checkpoint[0])
        ):
            found.setdefault(checkpoint[0], run)
    if not found:
        model = name if training_run else f"RUN:step_{step}"
        raise UserError(
            f"no complete run of {name} in {root}; make it: evalkit score --model {model} --task TASK"
        )
    if len(found) > 1:
        raise UserError(_ambiguous(name, [f"{of}:step_{step}  ({run.name})" for of, run in found.items()]))
    return next(iter(found.values()))


def _missing(name: str, root: Path) -> str:
    known = [folder.name for folder in _folders(root, "*")]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"near: {', '.join(near)}" if near else f"{len(known)} runs there, `evalkit runs` lists them"
    return f"no run {name} in {root} ({hint}); make it: evalkit score --model {name or 'MODEL'} --task TASK"
