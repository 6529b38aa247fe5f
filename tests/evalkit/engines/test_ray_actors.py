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
from evalkit.engines.copies.ray_actors import RayActors
from evalkit.engines.load import check_engine, make_engine
from evalkit.models.resolve import resolve_model
from evalkit.records import Sampling
from evalkit.score.plan import plan_run, select
from evalkit.tasks.load import load_rows
from prompts.errors import Failed, UserError


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
def test_actors_of_an_engine_that_loads_at_once(
    cluster: Any, smollm2: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn that is left, a swap, a turn in which one actor is killed, then one in which the last is."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "helpers"))
    from slow_stand_in import make

    model = resolve_model(str(smollm2))
    place = RayActors(make, "slow", model, EngineOptions(ray=cluster.address, copies=2))
    engine = CopiedEngine("slow", place)
    asked = [Request(index=i, sample=0, prompt_ids=(i, 7), seed=0) for i in range(300)]
    sampling = Sampling(max_tokens=4)
    with closing(engine):
        for _ in engine.generate(asked, sampling, (2,)):
            break
        assert engine.swap(model) is None and engine.swapped
        made = list(engine.generate(asked[:100], sampling, (2,)))
        assert sorted(c.index for c in made) == list(range(100))
        assert all(c.token_ids == (c.index + 7, 2) for c in made)
        made = []
        for completion in engine.generate(asked, sampling, (2,)):
            made.append(completion)
            if len(made) == 50:
                place._ray.kill(place.actors[1])
        assert sorted(c.index for c in made) == list(range(300))
        said = capfd.readouterr().err
        assert "copy 2 of the Ray cluster ended: " in said and "requests go to the 1 left" in said
        with pytest.raises(Failed, match=r"completions to go: .*last of 2 copies"):
            for number, _ in enumerate(engine.generate(asked, sampling, (2,))):
                if number == 20:
                    place._ray.kill(place.actors[0])


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
    for address in ("127.0.0.1:1", "127.0.0.1:99999"):  # before anything is written
        with pytest.raises(UserError, match=rf"--ray {address}: nothing listens there.*ray start --head"):
            check_engine("hf", EngineOptions(ray=address))
    for address in ("bad address", "localhost", ":6379", "localhost:port", ""):
        with pytest.raises(UserError, match=f"--ray {address}: no address; give HOST:PORT"):
            check_engine("hf", EngineOptions(ray=address))
    assert check_engine("hf", EngineOptions(ray="auto")) == 1
