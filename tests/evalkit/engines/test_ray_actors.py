"""Copies on a Ray cluster of two raylets: one is killed, and no row is lost or taken twice.

pytest tests/evalkit/engines/test_ray_actors.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_model

from evalkit.engines.base import EngineOptions, Request
from evalkit.engines.copies.deal import CopiedEngine
from evalkit.engines.load import check_engine, make_engine
from evalkit.models.resolve import resolve_model
from evalkit.records import Sampling
from evalkit.score.plan import plan_run, select
from evalkit.tasks.load import load_rows
from prompts.errors import UserError


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    found = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    found.add_node(num_cpus=1)
    yield found
    found.shutdown()


@pytest.mark.slow
def test_a_killed_actor_hands_its_requests_back(
    cluster: Any, smollm2: Path, tmp_path: Path, capfd: Any
) -> None:
    model = resolve_model(str(tiny_model(smollm2, tmp_path / "tiny")))
    plan = plan_run(model, select(load_rows("sums"), 128, []), engine="hf", sampling=Sampling(max_tokens=12))
    asked = [Request(index=i, sample=0, prompt_ids=ids, seed=0) for i, ids in enumerate(plan.prompts)]
    with pytest.raises(UserError, match=r"has 2 free CPUs, 3 are needed"):
        make_engine("hf", model, EngineOptions(ray=cluster.address, copies=3))
    with pytest.raises(UserError, match="has no GPU; say how many copies"):
        make_engine("hf", model, EngineOptions(ray=cluster.address))
    engine = make_engine("hf", model, EngineOptions(ray=cluster.address, copies=2))
    assert isinstance(engine, CopiedEngine) and engine.copies == 2
    made = []
    with closing(engine), closing(make_engine("hf", model, EngineOptions())) as alone:
        for completion in engine.generate(asked, plan.sampling, plan.stop_ids):
            made.append(completion)
            if len(made) == 40:
                place: Any = engine._place
                place._ray.kill(place.actors[1])
        expected = sorted((c.index, c.token_ids) for c in alone.generate(asked, plan.sampling, plan.stop_ids))
    assert sorted((c.index, c.token_ids) for c in made) == expected
    assert set(Counter(c.index for c in made).values()) == {1}
    warning = capfd.readouterr().err
    assert "copy 2 of the Ray cluster ended: " in warning and "requests go to the 1 left" in warning


def test_what_does_not_go_with_ray() -> None:
    with pytest.raises(UserError, match="a server has its own GPUs"):
        check_engine("openai", EngineOptions(ray="auto"))
    pytest.importorskip("ray")
    with pytest.raises(UserError, match=r"--ray 127\.0\.0\.1:1: nothing listens there.*ray start --head"):
        make_engine("hf", None, EngineOptions(ray="127.0.0.1:1"))  # type: ignore[arg-type]
    assert check_engine("hf", EngineOptions(ray="auto")) == 1
