"""Settings that a project gives once: `[tool.evalkit]` of ./pyproject.toml, or EVALKIT_* variables.

[tool.evalkit]
data = "../data"          # EVALKIT_DATA: folder with gsm8k/test.jsonl and the like
prompts = ["prompts"]     # EVALKIT_PROMPTS (separated by ":"): folders with templates of your own
results = "results"       # EVALKIT_RESULTS: where runs are written
runs = "runs"             # EVALKIT_RUNS: where training runs are written
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from prompts.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things lie. Paths from pyproject.toml are relative to its folder, the current one."""

    data: Path | None = None
    prompts: tuple[Path, ...] = ()
    results: Path = Path("results")
    runs: Path = Path("runs")


def settings() -> Settings:
    """Read the settings; a variable wins over the file. UserError for an unknown or unusable key."""
    values = _from_file(Path("pyproject.toml"))
    for name in _NAMES:
        if text := os.environ.get(f"EVALKIT_{name.upper()}"):
            values[name] = text.split(os.pathsep) if name == "prompts" else text
    paths: dict[str, Any] = {name: _path(name, value) for name, value in values.items()}
    return Settings(**paths)


_NAMES = tuple(field.name for field in fields(Settings))


def _from_file(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    values: dict[str, Any] = table.get("tool", {}).get("evalkit", {})
    if unknown := sorted(set(values) - set(_NAMES)):
        raise UserError(f"{path}: [tool.evalkit] has no key {unknown[0]!r}; known: {', '.join(_NAMES)}")
    return values


def _path(name: str, value: Any) -> Path | tuple[Path, ...]:
    if name == "prompts" and isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return tuple(Path(entry).expanduser() for entry in value)
    if name != "prompts" and isinstance(value, str):
        return Path(value).expanduser()
    wanted = "a list of folders" if name == "prompts" else "a folder"
    raise UserError(
        f"[tool.evalkit] {name} = {value!r} is not {wanted}; see evalkit/settings.py for the form"
    )


def cache_dir() -> Path:
    """Where evalkit keeps models that it made: `$XDG_CACHE_HOME/lockstep-evalkit` or `~/.cache/…`."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "lockstep-evalkit"
