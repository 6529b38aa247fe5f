"""`why --score` with a real model: every mixture of two runs' keys, shares that sum to the gap.

pytest tests/evalkit/score/test_one_key.py
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.compare.why import explain_gap
from evalkit.engines.base import EngineOptions
from evalkit.models.resolve import resolve_model
from evalkit.records import Sampling
from evalkit.score.one_key import explain_by_scoring
from evalkit.score.pipeline import score_model
from evalkit.score.plan import plan_run, select
from evalkit.tasks.load import load_rows

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_four_keys_by_scoring(smollm2: Path, tmp_path: Path) -> None:
    task = select(load_rows("sums", "test"), 3, [])
    model = resolve_model(str(smollm2))
    runs = []
    for name, prompt, limit in (("a", "sums-question", 8), ("b", "sums-hash", 4)):
        plan = plan_run(model, task, prompt=prompt, sampling=Sampling(max_tokens=limit), engine="hf")
        runs.append(score_model(plan, command="evalkit score", results=tmp_path, output=tmp_path / name))
    gap = explain_by_scoring(*runs, task, model=str(smollm2), folders=(), options=EngineOptions())
    keys = {key for share in gap.shares for key in share.keys}
    assert {"template", "system", "rule", "max tokens"} <= keys
    assert all(len(share.keys) == 1 for share in gap.shares) and gap.scored
    assert sum(share.share for share in gap.shares) == pytest.approx(gap.total, abs=1e-12)
    stored = explain_gap(*runs)
    assert (stored.base, stored.new, stored.n) == (gap.base, gap.new, gap.n)
