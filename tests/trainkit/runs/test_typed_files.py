"""train.json and rollouts.jsonl are read as strictly as they are written, and lose nothing.

pytest tests/trainkit/runs/test_typed_files.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_training_runs import made_job, made_rollout

from prompts.errors import UserError
from trainkit.runs.job import read_job, write_job
from trainkit.runs.rollout import FILE_NAME, as_line, read_rollouts


def changed(folder: Path, **values: Any) -> Path:
    path = folder / "train.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return folder


def test_what_a_newer_trainkit_wrote_stays(tmp_path: Path) -> None:
    write_job(made_job(), tmp_path)
    options = {**json.loads((tmp_path / "train.json").read_text())["options"], "later": 1}
    job = read_job(changed(tmp_path, later={"a": [1]}, options=options))
    write_job(job, tmp_path)
    written = json.loads((tmp_path / "train.json").read_text())
    assert written["later"] == {"a": [1]} and written["options"]["later"] == 1
    assert read_job(tmp_path) == job


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"response_length": "9"}, r"Expected `int`, got `str` - at `\$.response_length`"),
        ({"options": {"batch": "many"}}, r"got `str` - at `\$.options.batch`"),
        ({"options": []}, "options"),
        ({"parts": [{"source": "t"}]}, "missing required field"),
        ({"reward": {"terms": [{"name": "correct"}]}}, "missing required field `weight`"),
        ({"schema": 99}, "was made by a newer trainkit"),
    ],
)
def test_a_job_of_a_wrong_type(tmp_path: Path, values: dict[str, Any], says: str) -> None:
    write_job(made_job(), tmp_path)
    with pytest.raises(UserError, match=says):
        read_job(changed(tmp_path, **values))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"truncated": "no"}, "Expected `bool`"),
        ({"outcome": "right"}, "Invalid enum value"),
        ({"step": None}, "int"),
    ],
)
def test_a_rollout_of_a_wrong_type(tmp_path: Path, values: dict[str, Any], says: str) -> None:
    line = {**json.loads(as_line(made_rollout())), **values}
    (tmp_path / FILE_NAME).write_bytes(as_line(made_rollout()) + json.dumps(line).encode() + b"\n")
    with pytest.raises(UserError, match=f"holds a line that is no rollout .*{says}"):
        list(read_rollouts(tmp_path))


def test_a_torn_line_waits_and_a_newer_key_is_left_alone(tmp_path: Path) -> None:
    newer = json.dumps({**json.loads(as_line(made_rollout(id="b"))), "later": 1}).encode() + b"\n"
    (tmp_path / FILE_NAME).write_bytes(as_line(made_rollout(id="a")) + newer + b'{"step": 1, "torn')
    assert [rollout.id for rollout in read_rollouts(tmp_path)] == ["a", "b"]
