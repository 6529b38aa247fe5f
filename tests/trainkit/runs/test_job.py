"""train.json holds no path of the machine, and finds its model again; older files are read as they are."""

from __future__ import annotations

import json
from pathlib import Path

from made_training_runs import made_job

from evalkit.models.checkpoint.recognise import Checkpoint
from trainkit.runs.job import FILE_NAME, read_job, write_job


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


def test_an_older_file_with_whole_paths_is_read(tmp_path: Path) -> None:
    model = tmp_path / "base"
    model.mkdir()
    write_job(made_job(), tmp_path)
    held = json.loads((tmp_path / FILE_NAME).read_text())
    (tmp_path / FILE_NAME).write_text(json.dumps({**held, "model_folder": str(model)}))
    assert read_job(tmp_path).model_folder == str(model)
    assert Checkpoint(tmp_path / "global_step_1").base_folder == model
