"""Our scheduler against vLLM 0.24's own: every step, every token, every block.

    pytest tests/evalkit/engines/test_fast_decode.py

Where another vLLM is installed (the CPU build), the Python files of 0.24 come from its wheel on PyPI.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from places import TESTS

from evalkit.engines.vllm_install import FAST_DECODE, SCHEDULER, scheduler_for, untested
from prompts.errors import UserError

WORKLOADS = TESTS / "helpers/scheduler_workloads.py"
PLAIN = """
from scheduler_workloads import RequestOutputKind, made_request, init_hashes
from evalkit.engines.fast_decode import is_plain
init_hashes()
others = [{"stop": ["x"], "detokenize": True}, {"logprobs": 0}, {"prompt_logprobs": 1}, {"min_tokens": 2},
          {"logprob_token_ids": [1, 2]}, {"output_kind": RequestOutputKind.DELTA}]
print([is_plain(made_request(0, [1], 4, **asked)) for asked in [{}, {"stop_token_ids": [3]}, *others]])
"""


@pytest.mark.parametrize("runner", ["v1", "v2"])
def test_the_short_way_says_what_vllm_says(
    runner: str, with_vllm_024: Callable[..., str], smollm2: Path
) -> None:
    """Requests that come late, wait, share or lack blocks, are aborted, or want each token at once."""
    asked = ["0", "15", *(["--v2"] if runner == "v2" else [])]
    counts = json.loads(with_vllm_024(WORKLOADS, smollm2, *asked))
    assert counts["short"] > counts["steps"] / 3
    assert counts["preemptions"] > 20
    assert counts["ran"], "what the manifest tells of it (SCHEDULER_RAN)"


def test_requests_that_are_admitted_in_groups_end_as_vllm_ends_them(
    with_vllm_024: Callable[..., str], smollm2: Path
) -> None:
    """The same tokens and ends for each request, no block lost, and the steps are not many more."""
    counts = json.loads(with_vllm_024(WORKLOADS, smollm2, "0", "15", "--groups"))
    assert counts["short"] > counts["steps"] / 3
    assert counts["steps"] < 1.2 * counts["theirs"]


def test_only_requests_for_tokens_go_the_short_way(with_vllm_024: Callable[..., str]) -> None:
    assert with_vllm_024("-c", PLAIN) == str([True, True] + [False] * 6)


@pytest.mark.parametrize(
    ("installed", "ours"),
    [
        (("0.24.0", False), True),
        (("0.24.1", False), True),
        (("0.24.0", True), False),
        (("0.25.0", False), False),
    ],
)
def test_only_the_version_that_it_was_written_for_gets_it(installed: tuple[str, bool], ours: bool) -> None:
    assert SCHEDULER == "evalkit.engines.fast_decode.DecodeScheduler"
    assert scheduler_for(*installed) == (SCHEDULER if ours else None)


def test_a_variable_leaves_vllm_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAST_DECODE, "0")
    assert scheduler_for("0.24.0", False) is None
    monkeypatch.setenv(FAST_DECODE, "1")
    assert scheduler_for("0.24.0", False) == SCHEDULER
    monkeypatch.setenv(FAST_DECODE, "off")
    with pytest.raises(UserError, match="EVALKIT_FAST_DECODE=off: 0 leaves vLLM its own scheduler"):
        scheduler_for("0.24.0", False)


def test_an_untested_vllm_is_said_and_not_refused() -> None:
    assert untested("0.24.0") is None and untested("0.30.1+cpu") is None
    assert untested("0.31.0") == "vLLM 0.31.0 is untested with evalkit; tested are 0.24.* and 0.30.*"
