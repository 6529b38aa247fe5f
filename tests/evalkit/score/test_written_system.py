"""The system message that one run of two takes from the other's lock.

pytest tests/evalkit/score/test_written_system.py
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from written_runs import LOCK

from evalkit.runs.folder import Run
from evalkit.score.one_key import written_system
from prompts.errors import UserError


def run_with(system: Any) -> Run:
    lock = replace(LOCK, reading={**LOCK.reading, "system": system})
    return cast(Run, SimpleNamespace(name="a", folder=Path("a"), lock=lock))


def test_only_the_templates_own_message_is_taken() -> None:
    assert written_system(run_with({"text": "Be brief.", "from": "template"})) == "Be brief."
    assert written_system(run_with({"text": "Be brief.", "from": "chat template"})) is None
    assert written_system(run_with(None)) is None


@pytest.mark.parametrize("system", ["8a5f0c", {"text": 5, "from": "template"}])
def test_a_hash_is_no_message(system: Any) -> None:
    with pytest.raises(UserError, match="a does not say what its system message was"):
        written_system(run_with(system))
