"""How runs are addressed: path, name, start of a name, step_50, demo:step_50.

pytest tests/evalkit/runs/test_find.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lettered_runs import evalkit, made
from written_runs import MANIFEST

from evalkit.runs.find import checkpoint_of, find_run, find_sides
from evalkit.runs.folder import Run
from evalkit.runs.manifest import ModelFacts
from prompts.errors import UserError
from prompts.files import write_json


def scored(
    root: Path, name: str, model: str, date: str = "2026-11-20T10:00:00+00:00", **manifest: Any
) -> Run:
    entry = {"name": model, "path": None, "weights_sha256": None, "revision": None}
    command = f"evalkit score --model {model} --task gsm8k --prompt gsm8k-boxed@1"
    return made(root / name, "cw", model=entry, date=date, command=command, **manifest)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "results"
    scored(root, "base-gsm8k", "Qwen/Qwen2.5-0.5B")
    scored(root, "base-sums", "Qwen/Qwen2.5-0.5B")
    scored(root, "lr-1.5-a", "Qwen/Qwen2.5-0.5B")
    scored(root, "demo-50-old", "demo:step_50", date="2026-11-20T10:00:00+00:00")
    scored(root, "demo-50-new", "runs/demo/global_step_50", date="2026-11-20T12:00:00+00:00")
    scored(root / "recorded", "demo-100", "demo:step_100")
    return root


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("base-gsm8k", "base-gsm8k"),
        ("lr-1.5", "lr-1.5-a"),
        ("demo:global_step_100", "demo-100"),
        ("step_50", "demo-50-new"),
        ("global_step_50", "demo-50-new"),
        ("demo:step_50", "demo-50-new"),
        ("step_100", "demo-100"),
    ],
)
def test_found(root: Path, name: str, found: str) -> None:
    assert find_run(name, root).name == found


def test_a_path_needs_no_results_folder(root: Path) -> None:
    assert find_run(str(root / "recorded" / "demo-100"), Path("nowhere")).name == "demo-100"


def test_an_exact_name_wins_over_longer_ones(root: Path) -> None:
    scored(root, "base", "Qwen/Qwen2.5-0.5B")
    assert find_run("base", root).name == "base"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("base-", r"base- fits 2 runs; say which:\n  .*base-gsm8k\n  .*base-sums"),
        ("base-g", r"no run 'base-g' in .*near: base-gsm8k"),  # a start ends where a part of the name does
        ("demo-1", r"no run 'demo-1' in .*near: demo-100"),
        ("lr-1", r"no run 'lr-1' in .*near: lr-1.5-a"),  # nor inside a decimal
        ("lr-1.", r"no run 'lr-1.' in .*near: lr-1.5-a"),
        ("bsae-gsm8k", r"no run 'bsae-gsm8k' in .*near: base-gsm8k.*evalkit score --model bsae-gsm8k"),
        ("", r"no run '' in"),
        ("[x]*", r"no run '\[x\]\*' in"),
        (
            "step_75",
            r"no complete run of step_75 in .*: evalkit score --model runs/demo/global_step_75 --task gsm8k",
        ),
        (
            "other:step_50",
            r"no complete run of other:step_50 .*evalkit score --model other:step_50 --task TASK",
        ),
    ],
)
def test_not_found(root: Path, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        find_run(name, root)


def test_training_runs_that_share_a_step_are_listed(root: Path) -> None:
    scored(root, "second-50", "second:step_50")
    with pytest.raises(UserError, match=r"step_50 fits 2 runs; say which:\n  .*:step_50  \(newest: "):
        find_run("step_50", root)
    assert find_run("second:step_50", root).name == "second-50"


def test_a_typo_in_the_path_of_a_run_names_the_run(root: Path) -> None:
    """As the shell completes it; a path of a result is no name of a model."""
    scored(root, "second-50", "second:step_50")
    with pytest.raises(UserError, match=r"near: second-50.*evalkit score --model MODEL --task TASK"):
        find_run(f"{root}/secnd-50", root)


def test_a_missing_step_names_the_checkpoint_that_is_there(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs" / "fresh" / "global_step_8").mkdir(parents=True)
    monkeypatch.setenv("EVALKIT_RUNS", str(tmp_path / "runs"))
    scored(root, "second-50", "second:step_50")
    with pytest.raises(UserError, match="make it: evalkit score --model fresh:step_8 --task TASK"):
        find_run("step_8", root)


def test_only_complete_runs_are_compared(root: Path) -> None:
    run = scored(root, "half", "demo:step_150")
    write_json(run.folder / "manifest.json", {**run.manifest.as_dict(), "status": "running"})
    with pytest.raises(
        UserError, match="half is still being written; finish it first: evalkit score --model demo"
    ):
        find_run("half", root)
    assert find_run("half", root, complete=False).name == "half"
    with pytest.raises(UserError, match="no complete run of step_150"):
        find_run("step_150", root)


def test_steps_are_taken_in_the_newest_way_that_all_were_scored(root: Path) -> None:
    sampled = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 512, "samples": 1, "seed": 3}
    scored(root, "demo-50-hot", "demo:step_50", date="2026-11-21T10:00:00+00:00", sampling=sampled)
    assert find_run("step_50", root).name == "demo-50-hot"
    assert [runs[0].name for runs in find_sides(["step_50", "step_100"], root)] == ["demo-50-new", "demo-100"]
    scored(
        root,
        "demo-100-hot",
        "demo:step_100",
        date="2026-11-21T11:00:00+00:00",
        sampling={**sampled, "seed": 4},
    )
    assert [runs[0].name for runs in find_sides(["step_50", "step_100"], root)] == [
        "demo-50-hot",
        "demo-100-hot",
    ]


@pytest.mark.parametrize(
    ("name", "path", "checkpoint"),
    [
        ("demo:step_50", None, ("demo", 50)),
        ("runs/demo/global_step_50", None, ("demo", 50)),
        ("runs/demo/global_step_50/actor", None, ("demo", 50)),
        ("global_step_7", None, ("", 7)),
        ("merged", "runs/demo/global_step_50", ("demo", 50)),
        ("Qwen/Qwen2.5-0.5B", None, None),
        ("one_step_model", None, None),
    ],
)
def test_checkpoint_of(
    tmp_path: Path, name: str, path: str | None, checkpoint: tuple[str, int] | None
) -> None:
    manifest = MANIFEST.changed(model=ModelFacts(name=name, path=path))
    assert checkpoint_of(Run(tmp_path, manifest)) == checkpoint


def test_a_newer_schema_elsewhere_does_not_stand_in_the_way_of_a_name(root: Path) -> None:
    write_json(root / "base-sums" / "manifest.json", {"schema": 99})
    assert find_run("base-gsm8k", root).name == "base-gsm8k"
    done = evalkit("diff", root / "base-gsm8k", root / "base-sums")
    assert done.returncode == 2 and "has schema 99" in done.stderr
