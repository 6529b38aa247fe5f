"""A run that is there already: what is known of its model by now is said of it as of a new run.

pytest tests/evalkit/score/test_resume.py
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.grade.judge import judge, make_record
from evalkit.models.resolve import resolve_model
from evalkit.records import Completion
from evalkit.runs.folder import Run, RunWriter, read_run
from evalkit.runs.summary import counted, summarize
from evalkit.score.pipeline import manifest_of_plan, score_model
from evalkit.score.plan import RunPlan, plan_run, select
from evalkit.score.resume import default_folder, open_folder
from evalkit.tasks.load import load_rows
from prompts.errors import Mismatch, UserError
from prompts.lock import FILE_NAME, write_lock
from prompts.reading.completion import Decoded

HASH = {"prompt": "sums-hash", "split": "train"}
CONTRADICTIONS = [
    ("mismatch", HASH, {"allow_mismatch": True}, True),
    ("mismatch", HASH, {"allow_mismatch": True}, False),
    ("overlap", {"prompt": "sums", "split": "test"}, {"allow_overlap": True}, True),
]
"""Mark, what the model was trained on, what allows to score it nevertheless, whether the run is finished."""


@pytest.fixture
def model(smollm2: Path, tmp_path: Path) -> Path:
    """A folder with the model, in which no lock lies yet."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in smollm2.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def plan_of(model: Path, prompt: str = "sums", split: str = "test", **options: Any) -> RunPlan:
    task = select(load_rows("sums", split), 3, [])
    return plan_run(resolve_model(str(model)), task, prompt=prompt, **options)


def scored(plan: RunPlan, results: Path, finish: bool) -> Run:
    """A run of the plan with every completion written, finished or stopped just before the end."""
    manifest = manifest_of_plan(plan, "evalkit score")
    writer = RunWriter(default_folder(plan, results), manifest, plan.lock)
    held = []
    for row in plan.task.rows:
        text = f"It is {row.gold}"
        completion = Completion(index=0, sample=0, token_ids=(1, 2), finish_reason="stop")
        verdict = judge(text, row.gold, plan.lock.rule)
        record = make_record(row, 9, Decoded(text), completion, verdict, sample=0, seed=0)
        writer.append(record)
        held.append(record)
    if finish:
        writer.finish(counted(manifest, held), summarize(held, None))
    writer.close()
    return read_run(writer.folder)


def score(plan: RunPlan, results: Path) -> Run:
    return score_model(
        plan, command="evalkit score", results=results, load=lambda _: pytest.fail("run again")
    )


@pytest.mark.parametrize(("mark", "training", "allowed", "finished"), CONTRADICTIONS)
def test_a_lock_that_came_later_marks_the_run(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mark: str,
    training: dict[str, str],
    allowed: dict[str, bool],
    finished: bool,
) -> None:
    before = scored(plan_of(model), tmp_path / "results", finished)
    assert before.manifest.marks == () and before.complete is finished
    write_lock(plan_of(model, **training).lock, model)
    with pytest.raises(Mismatch):
        plan_of(model)
    run = score(plan_of(model, **allowed), tmp_path / "results")
    assert run.folder == before.folder and run.complete and run.records == before.records
    assert run.manifest.marks == read_run(run.folder).manifest.marks == (mark,)
    assert f"now marked {mark}" in capsys.readouterr().err

    (model / FILE_NAME).unlink()
    written = (run.folder / "manifest.json").read_bytes()
    assert score(plan_of(model), tmp_path / "results").manifest.marks == (mark,), "marks stay"
    assert (run.folder / "manifest.json").read_bytes() == written


def test_a_lock_that_agrees_changes_nothing(model: Path, tmp_path: Path) -> None:
    before = scored(plan_of(model), tmp_path / "results", True)
    written = (before.folder / "manifest.json").read_bytes()
    write_lock(plan_of(model, split="train").lock, model)
    run = score(plan_of(model), tmp_path / "results")
    assert run.folder == before.folder and run.manifest.marks == ()
    assert (before.folder / "manifest.json").read_bytes() == written


@pytest.mark.parametrize("finish", [True, False])
def test_a_run_of_an_older_scorer_is_not_gone_on_with(model: Path, tmp_path: Path, finish: bool) -> None:
    plan = plan_of(model)
    reading = {**plan.lock.reading, "scorer": {**plan.lock.reading["scorer"], "version": 1}}
    older = replace(plan, lock=replace(plan.lock, reading=reading))
    before = scored(older, tmp_path / "results", finish)
    assert default_folder(plan, tmp_path / "results") != before.folder
    with pytest.raises(UserError, match=r"it differs in reading\.scorer\.version; ") as refused:
        score_model(plan, command="", results=tmp_path, output=before.folder)
    assert refused.value.exit_code == 2
    assert (f"evalkit rescore {before.folder}; or " in str(refused.value)) is finish


EDITS: dict[str, tuple[dict[str, Any], str]] = {
    "task": ({"task": "gsm8k"}, "has task 'gsm8k', the run's prompt lock 'sums': the manifest was edited"),
    "split": ({"split": "train"}, "has split 'train', the run's prompt lock 'test'"),
    "template": (
        {"template": "gsm8k-boxed@1"},
        "has template 'gsm8k-boxed@1', the run's prompt lock 'sums",
    ),
    "max_tokens": (
        {"sampling": {"max_tokens": 4096}},
        "has sampling.max_tokens 4096, the run's prompt ",
    ),
    "temperature": (
        {"sampling": {"temperature": 0.7}},
        "has sampling.temperature 0.7, the run's prompt ",
    ),
    "model": ({"model": {"name": "org/better"}}, r"differs in model name \(org/better there, .*model here\)"),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("finish", [True, False])
def test_a_manifest_that_was_edited_is_not_gone_on_with(
    model: Path, tmp_path: Path, edit: str, finish: bool
) -> None:
    plan = plan_of(model)
    before = scored(plan, tmp_path / "results", finish)
    path = before.folder / "manifest.json"
    held, (changes, says) = json.loads(path.read_text()), EDITS[edit]
    changed = {key: {**held[key], **new} if isinstance(new, dict) else new for key, new in changes.items()}
    path.write_text(json.dumps({**held, **changed}))
    with pytest.raises(UserError, match=says):
        score(plan, tmp_path / "results")


def test_a_model_that_was_moved_finds_its_run(model: Path, tmp_path: Path) -> None:
    before = scored(plan_of(model), tmp_path / "results", True)
    moved = tmp_path / "elsewhere" / "model"
    moved.parent.mkdir()
    model.rename(moved)
    assert score(plan_of(moved), tmp_path / "results").folder == before.folder


@pytest.mark.parametrize(("current", "given"), [("model", "{model}"), (".", "model/."), ("model/deep", "..")])
def test_a_folder_is_one_model_however_its_path_is_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, current: str, given: str
) -> None:
    """A manifest holds a folder's path as seen from the current one: `.`, of a folder given whole."""
    (tmp_path / current).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / current)
    plan = plan_of(model)
    plan = replace(plan, model=replace(plan.model, name=given.format(model=model)))
    before = scored(plan, tmp_path / "results", False)
    assert open_folder(before.folder, plan) == before
