"""Find a run by what a person types: a folder, a name, the start of one, `step_50`, `demo:step_50`."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from evalkit.runs.folder import Run, list_runs, read_run
from evalkit.settings import settings
from prompts.errors import UserError

_STEP = re.compile(r"(?:(?P<run>.+):)?(?:global_)?step_(?P<step>\d+)")
_STEP_OF_MODEL = re.compile(r"(?:(?P<run>[^/:]+)[/:])?(?:global_)?step_(?P<step>\d+)(?:/.*)?$")
_DECIMAL = re.compile(r"\d\.\d")
_SHOWN = 20


def find_run(name: str, root: Path, *, complete: bool = True) -> Run:
    """The run that `name` stands for; below `root` (the results folder) unless it is a path.

    Tried in this order: the path of a result folder; a run's full name; `step_50` or `demo:step_50`
    (the newest complete run of that checkpoint); the start of a name, if one run's alone.

    Raises UserError where nothing fits (with the `evalkit score` command that would make it), where
    several do (with the candidates), or where the run is not complete and `complete` is asked for.
    """
    return _finished(_candidates(name, root)[0], complete)


def find_sides(names: Sequence[str], root: Path) -> list[list[Run]]:
    """All complete runs that each name stands for, newest first: as `find_run`, but where checkpoints were
    scored more than once, in the newest way (task, prompt, sampling) in which all of them were.

    Raises UserError as `find_run` does.
    """
    candidates = [_candidates(name, root) for name in names]
    for wanted in map(_way, candidates[0]):
        fitting = [[run for run in runs if _way(run) == wanted] for runs in candidates]
        if all(fitting):
            candidates = fitting
            break
    for runs in candidates:
        _finished(runs[0], complete=True)
    return candidates


def runs_elsewhere(runs: Sequence[Run], split: str, root: Path) -> list[Run]:
    """For each run the newest complete one of the same weights on another split of the task, greedy or
    sampled as it is.

    Raises UserError where there is none, with the command that makes it.
    """
    there = [run for run in list_runs(root) if run.complete and run.manifest.split == split]
    found = []
    for run in runs:
        same = [
            other
            for other in there
            if other.manifest.task == run.manifest.task
            and other.manifest.model == run.manifest.model
            and other.manifest.fingerprint == run.manifest.fingerprint
        ]
        if not same:
            command = re.sub(r" --split \S+", "", run.manifest.command)
            raise UserError(
                f"no complete run of {run.name}'s model on {split}; make it: {command} --split {split}"
            )
        found.append(same[0])
    if all(other.folder == run.folder for other, run in zip(found, runs, strict=True)):
        raise UserError(f"--choose-on {split}: these runs are of that split already; leave the option out")
    return found


def comparable_runs(run: Run, root: Path) -> list[Run]:
    """Other complete runs that were made the same way (task, prompt, sampling), newest first."""
    here = run.folder.resolve()
    return [
        other
        for other in list_runs(root)
        if other.complete and _way(other) == _way(run) and other.folder.resolve() != here
    ]


def checkpoint_of(run: Run) -> tuple[str, int] | None:
    """The training run and the step whose checkpoint a run scored, None where it is no such."""
    model = run.manifest.model
    for text in (model.name, model.path):
        if text and (match := _STEP_OF_MODEL.search(text)):
            return match["run"] or "", int(match["step"])
    return None


def _candidates(name: str, root: Path) -> list[Run]:
    """The run of that name; of a checkpoint all complete ones, newest first."""
    if (Path(name) / "manifest.json").exists():
        return [read_run(Path(name))]
    if folders := _folders(root, name):
        return [read_run(_only(name, folders))]
    if step := _STEP.fullmatch(name):
        return _runs_of_step(name, step["run"], int(step["step"]), root)
    if name and (folders := _folders(root, name, start=True)):
        return [read_run(_only(name, folders))]
    raise UserError(_missing(name, root))


def _finished(run: Run, complete: bool) -> Run:
    if complete and not run.complete:
        if run.manifest.status == "decided":
            raise UserError(f"{run.name} {run.manifest.unfinished}")
        raise UserError(f"{run.name} is still being written; finish it first: {run.manifest.command}")
    return run


def _way(run: Run) -> str:
    """How a run was made, but for the model and the seed: equal for runs that can be compared."""
    manifest = run.manifest
    sampling = {key: value for key, value in manifest.sampling.as_dict().items() if key != "seed"}
    return json.dumps([manifest.task, manifest.split, manifest.fingerprint, sampling], sort_keys=True)


def _folders(root: Path, name: str, *, start: bool = False) -> list[Path]:
    """Result folders below `root` (also those in results/recorded) that are called so, or begin so."""
    found = (path.parent for level in ("*", "*/*") for path in root.glob(f"{level}/manifest.json"))
    return sorted(
        folder for folder in found if folder.name == name or (start and _is_start(name, folder.name))
    )


def _is_start(name: str, of: str) -> bool:
    """Whether a name begins so, and the start ends where a part of the name does.

    50 is no start of 500, nor Qwen2 of Qwen2.5.
    """
    rest = of[len(name) :]
    inside = (name[-1:].isalnum() and rest[:1].isalnum()) or _DECIMAL.search(name[-2:] + rest[:2])
    return of.startswith(name) and not inside


def _only(name: str, folders: Sequence[Path]) -> Path:
    if len(folders) > 1:
        raise UserError(_ambiguous(name, [str(folder) for folder in folders]))
    return folders[0]


def _ambiguous(name: str, candidates: Sequence[str]) -> str:
    shown = "".join(f"\n  {candidate}" for candidate in candidates[:_SHOWN])
    more = f"\n  and {len(candidates) - _SHOWN} more" if len(candidates) > _SHOWN else ""
    return f"{name} fits {len(candidates)} runs; say which:{shown}{more}"


def _runs_of_step(name: str, training_run: str | None, step: int, root: Path) -> list[Run]:
    """The complete runs of a checkpoint; UserError where there is none, or training runs share the step."""
    of_training: dict[str, list[Run]] = {}
    for run in list_runs(root):
        checkpoint = checkpoint_of(run)
        if run.complete and checkpoint and training_run in (None, checkpoint[0]):
            of_training.setdefault(checkpoint[0], []).append(run)
    found = {of: [r for r in runs if checkpoint_of(r) == (of, step)] for of, runs in of_training.items()}
    found = {of: runs for of, runs in found.items() if runs}
    if len(found) > 1:
        lines = [f"{of}:step_{step}  (newest: {runs[0].name})" for of, runs in found.items()]
        raise UserError(_ambiguous(name, lines))
    if not found:
        scored = [runs[0].manifest.command for runs in of_training.values()]
        raise UserError(f"no complete run of {name} in {root}; {_how_to_score(training_run, step, scored)}")
    return next(iter(found.values()))


def _how_to_score(training_run: str | None, step: int, scored: Sequence[str]) -> str:
    """The command that makes a run of this step: that of another step of the training run, or a new one."""
    if len(scored) == 1:
        return "make it: " + re.sub(r"step_\d+", f"step_{step}", scored[0])
    there = sorted(
        path.parent.name for path in settings().runs.glob(f"{training_run or '*'}/global_step_{step}")
    )
    known = there[0] if there else training_run or "RUN"
    return f"make it: evalkit score --model {known}:step_{step} --task TASK"


def _missing(name: str, root: Path) -> str:
    known = [folder.name for folder in _folders(root, "", start=True)]
    typed = name.removeprefix(f"{root}/")  # results/mine is typed where the shell completes names
    near = difflib.get_close_matches(typed, known, n=3)
    hint = f"near: {', '.join(near)}" if near else f"{len(known)} runs there, `evalkit runs` lists them"
    model = typed if typed and "/" not in typed and typed == name else "MODEL"
    return f"no run {name!r} in {root} ({hint}); make it: evalkit score --model {model} --task TASK"
