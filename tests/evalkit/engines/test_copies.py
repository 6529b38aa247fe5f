"""Copies of a real engine in processes of their own: one is killed, and no row is lost or taken twice.

pytest tests/evalkit/engines/test_copies.py
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_model

from evalkit.engines.base import EngineOptions, Request
from evalkit.engines.copies import ahead
from evalkit.engines.copies.deal import CopiedEngine
from evalkit.engines.copies.processes import Processes
from evalkit.engines.copies.slots import slots_of
from evalkit.engines.load import make_engine
from evalkit.models.resolve import Model, resolve_model
from evalkit.records import Completion, Sampling
from evalkit.score.pipeline import score_model
from evalkit.score.plan import RunPlan, plan_run, select
from evalkit.tasks.load import load_rows
from prompts.errors import Failed, UserError

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tiny(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return resolve_model(str(tiny_model(smollm2, tmp_path_factory.mktemp("models") / "tiny")))


def plan_of(model: Model, engine: str, limit: int) -> RunPlan:
    task = select(load_rows("sums"), limit, [])
    return plan_run(model, task, engine=engine, sampling=Sampling(max_tokens=12))


def two_copies(plan: RunPlan, log: Path) -> tuple[CopiedEngine, Processes]:
    options = EngineOptions(max_model_len=plan.needed, log=log)
    place = Processes(plan.engine, plan.model, options, [None, None])
    return CopiedEngine(plan.engine, place), place


class Killing:
    """Copies, of which the second is killed after some completions."""

    def __init__(self, engine: CopiedEngine, place: Processes, after: int) -> None:
        self.engine, self.place, self.after = engine, place, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def generate(self, *asked: Any) -> Iterator[Completion]:
        for number, completion in enumerate(self.engine.generate(*asked)):
            if number == self.after:
                self.place.processes[1].kill()
            yield completion


def requests_of(plan: RunPlan, cut: int = 0) -> list[Request]:
    """A request a row, without the last ids of its prompt."""
    return [
        Request(index=i, sample=0, prompt_ids=ids[: len(ids) - cut], seed=0)
        for i, ids in enumerate(plan.prompts)
    ]


def copies_of(plan: RunPlan, after: int, folder: Path, said: Any) -> None:
    """A turn that is left, one that is whole, one in which a copy is killed, one in which the last is."""
    alone = make_engine(plan.engine, plan.model, EngineOptions(max_model_len=plan.needed))
    engine, place = two_copies(plan, folder / "engine.log")
    with closing(engine), closing(alone):
        for _ in engine.generate(requests_of(plan), plan.sampling, plan.stop_ids):
            break
        shorter = requests_of(plan, cut=3)
        made, expected = (
            sorted((c.index, c.token_ids) for c in side.generate(shorter, plan.sampling, plan.stop_ids))
            for side in (engine, alone)
        )
        assert made == expected
        said.readouterr()
        run = score_model(
            plan,
            command="evalkit score",
            results=folder / "two",
            load=lambda _: Killing(engine, place, after),
        )
        warning = said.readouterr().err
        assert "warning: copy 2 ended: its process was killed (SIGKILL)" in warning
        assert int(warning.split("; its ")[1].split()[0]) > 0
        assert run.complete and run.manifest.engine.copies == 2
        assert Counter(r.id for r in run.records) == Counter(row.id for row in plan.task.rows)
        single = score_model(plan, command="evalkit score", results=folder / "one", load=lambda _: alone)
        assert single.manifest.engine.copies == 1
        assert [r.text for r in run.records] == [r.text for r in single.records]
        place.processes[0].kill()
        reason = rf"{len(plan.prompts)} completions to go.*SIGKILL.*last of 2 copies.*resumes"
        with pytest.raises(Failed, match=reason):
            score_model(plan, command="evalkit score", results=folder / "none", load=lambda _: engine)
    assert all(process.poll() == -signal.SIGKILL for process in place.processes)


def test_copies_and_a_killed_one(tiny: Model, tmp_path: Path, capfd: Any) -> None:
    copies_of(plan_of(tiny, "hf", 128), 40, tmp_path, capfd)


@pytest.mark.slow
def test_copies_of_vllm_and_a_killed_one(tiny: Model, tmp_path: Path, capfd: Any) -> None:
    copies_of(plan_of(tiny, "vllm", 128), 20, tmp_path, capfd)


def test_a_copy_that_was_started_ahead(tiny: Model, tmp_path: Path) -> None:
    """It loads what it is told later, into the log that it is told; one of other GPUs is ended."""
    plan = plan_of(tiny, "vllm", 8)
    options = EngineOptions(max_model_len=plan.needed, log=tmp_path / "engine.log")
    with closing(make_engine("vllm", tiny, options)) as engine:
        expected = sorted((c.index, c.token_ids) for c in generated(engine, plan))
    ahead.start_ahead("vllm", options)
    assert not ahead.waiting()  # a CPU has no cores to spare
    surplus, first = ahead.start(None, options, "7"), ahead.start(None, options)
    assert b"CUDA_VISIBLE_DEVICES=7\0" in Path(f"/proc/{surplus.process.pid}/environ").read_bytes()
    ahead._spare[:] = [surplus, first]
    with closing(make_engine("vllm", tiny, replace(options, log=tmp_path / "copy.log"))) as engine:
        assert isinstance(engine, CopiedEngine) and engine.copies == 1
        assert sorted((c.index, c.token_ids) for c in generated(engine, plan)) == expected
        assert "skip_tokenizer_init" in (tmp_path / "copy.log").read_text()
    assert not ahead.waiting() and surplus.process.poll() == -signal.SIGKILL and first.process.poll() == 0


def generated(engine: Any, plan: RunPlan) -> Iterator[Completion]:
    return iter(engine.generate(requests_of(plan), plan.sampling, plan.stop_ids))


@pytest.mark.slow
def test_copies_end_with_evalkit(tiny: Model, tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from evalkit.engines.base import EngineOptions; "
        "from evalkit.engines.load import make_engine; from evalkit.models.resolve import resolve_model; "
        "e = make_engine('hf', resolve_model(sys.argv[1]), EngineOptions(copies=2)); "
        "print(*(p.pid for p in e._place.processes), flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tiny.folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    deadline = time.monotonic() + 10
    while alive := [pid for pid in pids if _is_running(pid)]:
        assert time.monotonic() < deadline, f"{alive} live on"
        time.sleep(0.1)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_a_model_that_no_copy_can_load(tiny: Model, tmp_path: Path) -> None:
    broken = replace(tiny, folder=tmp_path)
    with pytest.raises(Failed, match="transformers cannot load"):
        make_engine("hf", broken, EngineOptions(copies=2, log=tmp_path / "engine.log"))


@pytest.mark.parametrize(
    ("asked", "gpus", "slots"),
    [
        ({}, "", [None]),
        ({"copies": 3}, "", [None] * 3),
        ({}, "0", ["0"]),
        ({}, "0123", ["0", "1", "2", "3"]),
        ({"tp": 2}, "0123", ["0,1", "2,3"]),
        ({"tp": 2}, "012", ["0,1"]),
        ({"gpus": 2}, "0123", ["0", "1"]),
        ({"copies": 1}, "0123", ["0"]),
        ({"copies": 1, "tp": 2}, "0123", ["0,1"]),
        ({"gpus": 4, "tp": 2, "copies": 2}, "0123", ["0,1", "2,3"]),
        ({"completions": 8}, "0123", ["0"]),
        ({"completions": 130}, "0123", ["0", "1"]),
        ({"completions": 8, "gpus": 4}, "0123", ["0", "1", "2", "3"]),
    ],
)
def test_copies_and_their_gpus(asked: dict[str, int], gpus: str, slots: list[str | None]) -> None:
    assert slots_of(EngineOptions(**asked), gpus) == slots


@pytest.mark.parametrize(
    ("asked", "gpus", "message"),
    [
        ({"gpus": 2}, "", "no GPU found; on a CPU copies share the cores: --copies 2"),
        ({"gpus": 0}, "01", "--gpus 0: at least 1"),
        ({"copies": 0}, "", "--copies 0: at least 1"),
        ({"gpus": 4}, "01", "--gpus 4 needs 4 GPUs, 2 found; use --gpus 2"),
        ({"copies": 2, "tp": 2}, "01", "--copies 2 with --tp 2 needs 4 GPUs, 2 found"),
        ({"gpus": 3, "tp": 2}, "0123", "use --gpus 2"),
        ({"gpus": 4, "copies": 2}, "0123", "makes 4 copies, --copies says 2"),
    ],
)
def test_numbers_that_do_not_fit(asked: dict[str, int], gpus: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        slots_of(EngineOptions(**asked), gpus)


def test_gpus_are_named_as_they_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from evalkit.engines.copies.slots import visible_gpus

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-ab")
    assert visible_gpus() == ("3", "GPU-ab")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus() == ("0", "1")
