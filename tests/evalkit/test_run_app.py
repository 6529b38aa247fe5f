"""Help is drawn without what it does not need, and looks the same."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from places import ROOT

WHOLE = "import {0}.cli; from {0}.cli.app import app; app(['--help'], prog_name='{0}')"
AFTER = """
import atexit, sys
from {0}.cli.app import main
def real():
    from rich.markdown import Markdown
    from rich.traceback import Traceback
    assert Markdown("a") and Traceback.extract
    print("real")
sys.argv = ["{0}", "--help"]
atexit.register(real)
main()
"""


def shown(code: str) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.rstrip() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("program", ["evalkit", "trainkit"])
def test_light_help_is_typers_help(program: str) -> None:
    *light, last = shown(AFTER.format(program))
    assert last == "real", "who else imports Markdown gets rich's own"
    assert light == shown(WHOLE.format(program)) and f"Usage: {program}" in "".join(light)
