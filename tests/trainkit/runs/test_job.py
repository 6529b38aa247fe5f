"""train.json holds no path of the machine, and finds its model again; older files are read as they are."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from made_training_runs import made_job

from evalkit.grade.user_function import read_function
from evalkit.models.checkpoint.recognise import Checkpoint
from prompts.errors import UserError
from trainkit.plugins.reward import open_judge
from trainkit.runs.job import FILE_NAME, JobPart, ShapedReward, read_job, reward_without_folder, write_job


def test_paths_are_seen_from_the_run(tmp_path: Path) -> None:
    model, run, building = tmp_path / "models/base", tmp_path / "runs/demo", tmp_path / "runs/.demo.7"
    for folder in (model, building):
        folder.mkdir(parents=True)
    command = ["/usr/bin/python3", "-m", "verl", f"model.path={model}", f"dir={run}/x"]
    write_job(made_job(model_folder=str(model), command=command), building, run)
    building.rename(run)
    text = (run / FILE_NAME).read_text()
    assert str(tmp_path) not in text and "/usr/bin" not in text
    assert json.loads(text)["command"] == ["python", "-m", "verl", "model.path=smollm2-135m", "dir=./x"]
    assert read_job(run).model_folder == str(model)
    assert Checkpoint(run / "global_step_1").base_folder == model
    (tmp_path / "elsewhere").symlink_to(tmp_path / "runs")
    assert read_job(tmp_path / "elsewhere/demo").model_folder == str(model)


def test_files_of_graders_and_of_the_reward_are_seen_from_the_run(tmp_path: Path) -> None:
    run, mine = tmp_path / "runs/demo", tmp_path / "mine"
    for folder in (run, mine):
        folder.mkdir(parents=True)
    for name in ("grade", "reward"):
        (mine / f"{name}.py").write_text(f"def {name}(completion, gold, row): return True\n")
    grader = read_function(f"python:{mine}/grade.py:grade").located()
    reward = ShapedReward(terms=(), file=read_function(f"python:{mine}/reward.py:reward").located())
    part = JobPart(
        source="sums",
        template="a@1",
        raw_prompts=False,
        chat_template_kwargs={},
        rule="python:grade.py:grade",
        grader=grader,
    )
    job = made_job(grader=grader, reward=reward, parts=[part])
    write_job(job, run)
    assert str(tmp_path) not in (run / FILE_NAME).read_text()
    assert "python:../../mine/grade.py:grade" in (run / FILE_NAME).read_text()
    read = read_job(run)
    assert (read.grader, read.reward, read.parts) == (grader, reward, [part])
    write_job(read, run)  # a run that is resumed
    assert str(tmp_path) not in (run / FILE_NAME).read_text()
    with closing(open_judge(read, "sums")) as judge:
        assert judge.rule == "python:grade.py:grade"
    (tmp_path / "runs").rename(tmp_path / "other")
    assert read_job(tmp_path / "other/demo").grader == grader
    paid = reward_without_folder(read)
    assert paid is not None and paid.file == {**(reward.file or {}), "rule": "python:reward.py:reward"}
    held = json.loads((tmp_path / "other/demo" / FILE_NAME).read_text())
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / FILE_NAME).write_text(json.dumps({**held, "grader": grader}))  # as they were
    assert read_job(tmp_path / "old").grader == grader
    for wrong in ({"rule": "a"}, {"sha256": "0"}, {"x": "y"}):
        (tmp_path / "old" / FILE_NAME).write_text(json.dumps({**held, "grader": wrong}))
        with pytest.raises(UserError, match="lacks rule or sha256"):
            read_job(tmp_path / "old")


def test_an_older_file_with_whole_paths_is_read(tmp_path: Path) -> None:
    model = tmp_path / "base"
    model.mkdir()
    write_job(made_job(), tmp_path)
    held = json.loads((tmp_path / FILE_NAME).read_text())
    (tmp_path / FILE_NAME).write_text(json.dumps({**held, "model_folder": str(model)}))
    assert read_job(tmp_path).model_folder == str(model)
    assert Checkpoint(tmp_path / "global_step_1").base_folder == model
