"""Paths as manifests hold them: whole ones mean nothing on another machine, and say who somebody is."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

_WHOLE_PATH = re.compile(r"(?<![^=,:])/(?!/)[^,:*]*")
"""A path from the root as an argument, after `--option=`, in a list, or in `python:FILE:FUNCTION`; no URL."""


def portable(path: Path) -> str:
    """A path that means something on another machine: relative where it is below the current folder."""
    absolute = Path(os.path.abspath(path))
    if absolute.is_relative_to(Path.cwd()):
        return str(absolute.relative_to(Path.cwd()))
    return "/".join(absolute.parts[-2:])


def command_line() -> str:
    """The command that was given, as it can be given again in the same folder, with paths as seen from it."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    arguments = [_WHOLE_PATH.sub(lambda path: _from_here(path[0]), given) for given in sys.argv[1:]]
    return shlex.join([name, *arguments])


def _from_here(path: str) -> str:
    try:
        return os.path.relpath(path)
    except FileNotFoundError:  # the current folder was removed
        return path
