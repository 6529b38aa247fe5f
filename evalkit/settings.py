"""Settings that a project gives once: `[tool.evalkit]` of its pyproject.toml, or EVALKIT_* variables.

The file is that of the current folder, or of the nearest above it that has the table, as git finds its own.

[tool.evalkit]
data = "../data"          # EVALKIT_DATA: folder with gsm8k/test.jsonl and the like
prompts = ["prompts"]     # EVALKIT_PROMPTS (separated by ":"): folders with templates of your own
results = "results"       # EVALKIT_RESULTS: where runs are written
runs = "runs"             # EVALKIT_RUNS: where training runs are written
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from prompts.errors import UserError
from prompts.install import DISTRIBUTION

OWN_TEMPLATES = Path("prompt-templates")
"""Where `evalkit prompts new` writes, and every command looks, unless the settings or --prompts say more."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things lie. Paths from pyproject.toml, defaults included, are relative to its folder."""

    data: Path | None = None
    prompts: tuple[Path, ...] = ()
    results: Path = Path("results")
    runs: Path = Path("runs")


def settings() -> Settings:
    """Read the settings; a variable wins over the file. UserError for an unknown or unusable key."""
    root, values = _from_file()
    paths: dict[str, Any] = {name: _path(name, value, root) for name, value in values.items()}
    for name in _NAMES:
        if text := os.environ.get(f"EVALKIT_{name.upper()}"):
            paths[name] = _path(name, text.split(os.pathsep) if name == "prompts" else text, Path())
    own = root / OWN_TEMPLATES
    if "prompts" not in paths and own.is_dir():
        paths["prompts"] = (own,)
    return Settings(**{"results": root / "results", "runs": root / "runs", **paths})


_NAMES = tuple(field.name for field in fields(Settings))


def _from_file() -> tuple[Path, dict[str, Any]]:
    """The folder of the nearest pyproject.toml with the table, and the table; else the current folder."""
    here = Path.cwd()
    for folder in (Path(), *(Path(os.path.relpath(parent, here)) for parent in here.parents)):
        table = _table(folder / "pyproject.toml")
        if table is not None:
            return folder, table
    return Path(), {}


def _table(path: Path) -> dict[str, Any] | None:
    """`[tool.evalkit]` of a file, None where there is none.

    Raises UserError for a broken file or an unknown key.
    """
    if not path.exists():
        return None
    from prompts.files import read_toml  # here: it would slow every `--help` down

    tool = read_toml(path).get("tool")
    values: Any = tool.get("evalkit") if isinstance(tool, dict) else None
    if not isinstance(values, dict | None):
        raise UserError(f"{path}: [tool.evalkit] is {values!r}, not a table of keys")
    if unknown := sorted(set(values or {}) - set(_NAMES)):
        raise UserError(f"{path}: [tool.evalkit] has no key {unknown[0]!r}; known: {', '.join(_NAMES)}")
    return values


def _path(name: str, value: Any, root: Path) -> Path | tuple[Path, ...]:
    if name == "prompts" and isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return tuple(root / Path(entry).expanduser() for entry in value)
    if name != "prompts" and isinstance(value, str):
        return root / Path(value).expanduser()
    wanted = "a list of folders" if name == "prompts" else "a folder"
    raise UserError(
        f"[tool.evalkit] {name} = {value!r} is not {wanted}; the form stands in evalkit/settings.py"
    )


def template_folders(given: Iterable[Path] | None) -> list[Path]:
    """Folders with templates: those of the settings, then those that --prompts names."""
    return [*settings().prompts, *(given or [])]


def cache_dir() -> Path:
    """Where evalkit keeps models that it made: `$XDG_CACHE_HOME/lockstep-evalkit` or `~/.cache/…`."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / DISTRIBUTION
