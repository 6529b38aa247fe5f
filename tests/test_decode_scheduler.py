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

from evalkit.engines import vllm

ROOT = Path(__file__).parent.parent


PLAIN = """
from scheduler_workloads import RequestOutputKind, made_request, init_hashes
from evalkit.engines.decode_scheduler import is_plain
init_hashes()
others = [{"stop": ["x"], "detokenize": True}, {"logprobs": 0}, {"prompt_logprobs": 1}, {"min_tokens": 2},
          {"logprob_token_ids": [1, 2]}, {"output_kind": RequestOutputKind.DELTA}]
print([is_plain(made_request(0, [1], 4, **asked)) for asked in [{}, {"stop_token_ids": [3]}, *others]])
"""


def with_vllm_024(folder: Path, *arguments: str | Path) -> str:
    """What Python says last, run with vLLM 0.24 and our tests to import from."""
    path = os.pathsep.join(map(str, (folder, ROOT, ROOT / "tests")))
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path, "VLLM_LOGGING_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("runner", ["v1", "v2"])
def test_the_short_way_says_what_vllm_says(runner: str, vllm_024: Path, smollm2: Path) -> None:
    """Requests that come late, wait, share or lack blocks, are aborted, or want each token at once."""
    asked = [str(smollm2), "0", "15", *(["--v2"] if runner == "v2" else [])]
    counts = json.loads(with_vllm_024(vllm_024, ROOT / "tests/scheduler_workloads.py", *asked))
    assert counts["short"] > counts["steps"] / 3
    assert counts["preemptions"] > 20


def test_only_requests_for_tokens_go_the_short_way(vllm_024: Path) -> None:
    assert with_vllm_024(vllm_024, "-c", PLAIN) == str([True, True] + [False] * 6)


@pytest.mark.parametrize(
    ("installed", "ours"),
    [
        (("0.24.0", False), True),
        (("0.24.1", False), True),
        (("0.24.0", True), False),
        (("0.25.0", False), False),
    ],
)
def test_only_the_version_that_it_was_written_for_gets_it(
    installed: tuple[str, bool], ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm, "installed_version", lambda: installed)
    assert (vllm.scheduler() == "evalkit.engines.decode_scheduler.DecodeScheduler") == ours
