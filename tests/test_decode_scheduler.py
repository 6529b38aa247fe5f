"""Our scheduler against vLLM 0.24's own: every step, every token, every block.

    pytest tests/test_decode_scheduler.py

Where another vLLM is installed (the CPU build), the Python files of 0.24 come from its wheel on PyPI.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.engines.vllm import installed_version, scheduler

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("runner", ["v1", "v2"])
def test_the_short_way_says_what_vllm_says(runner: str, vllm_024: Path, smollm2: Path) -> None:
    """Requests that come late, wait, share blocks, run out of them, are aborted, or want log by token."""
    asked = [str(smollm2), "0", "25", *(["--v2"] if runner == "v2" else [])]
    done = subprocess.run(
        [sys.executable, ROOT / "tests/scheduler_workloads.py", *asked],
        env={**os.environ, "PYTHONPATH": f"{vllm_024}{os.pathsep}{ROOT}", "VLLM_LOGGING_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["short"] > counts["steps"] / 3
    assert counts["preemptions"] > 20


def test_only_the_version_that_it_was_written_for_gets_it() -> None:
    found, cpu = installed_version()
    assert (scheduler() is not None) == (found.startswith("0.24.") and not cpu)
