"""When a checkpoint is saved, and which of them stay.

pytest tests/trainkit/runs/test_saving.py
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prompts.errors import UserError
from trainkit.options import Options
from trainkit.runs.saving import SaveEvery, SaveSchedule
from trainkit.train import best_saved, keep_best


def saves(steps: int, seconds_a_step: float, seconds_to_start: float = 0, **options: Any) -> dict[int, str]:
    """The steps that verl would save, in a run of so many, and what each was saved for."""
    trainer, now = SimpleNamespace(save_freq=None), [0.0]
    job: Any = SimpleNamespace(options=Options(**options), total_steps=steps)
    schedule = SaveSchedule(trainer, job, clock=lambda: now[0])
    now[0] += seconds_to_start
    found = {}
    for step in range(1, steps + 1):
        schedule.begin(step)
        now[0] += seconds_a_step
        if step == steps or step % trainer.save_freq == 0:  # verl's own condition
            found[step] = schedule.reason
            schedule.saved()
    return found


def test_steps_and_validated_steps() -> None:
    assert saves(10, 1, save_every="4", validate_every=4) == dict.fromkeys((4, 8, 10), "schedule")
    found = saves(10, 1, save_every="4", validate_every=3)
    assert found == {3: "validation", 4: "schedule", 6: "validation", 8: "schedule", 9: "validation"} | {
        10: "schedule"
    }
    assert list(saves(10, 1, save_every="4", validate_every=3, keep=2)) == [4, 8, 10]


def test_minutes() -> None:
    found = saves(12, 100, save_every="10m", validate_every=100)
    assert list(found) == [7, 12]  # the first step that begins 600 s after the start, and the last
    with pytest.raises(UserError, match="--save-every soon: give a number of steps or a time"):
        SaveEvery.parse("soon")
    with pytest.raises(UserError):
        SaveEvery.parse("0m")


def test_minutes_of_training_not_of_the_start() -> None:
    """A start takes minutes, after which the first step held nothing worth a checkpoint."""
    assert list(saves(12, 100, 3000, save_every="10m", validate_every=100)) == [7, 12]


def test_the_step_that_is_named_at_the_end() -> None:
    assert best_saved({0: 0.9, 3: 0.3, 6: 0.5, 9: 0.1}, [3, 6, 9]) == 6  # the base is no checkpoint
    assert best_saved({0: 0.9, 6: 0.5, 9: 0.5}, [6, 9]) == 9
    assert best_saved({}, [9]) is None


def checkpoints(folder: Path, **saved_for: str) -> Path:
    for name, reason in saved_for.items():
        step = folder / f"global_step_{name.removeprefix('s')}"
        step.mkdir(parents=True)
        (step / "manifest.json").write_text(json.dumps({"saved_for": reason}))
    return folder


def test_the_best_stays(tmp_path: Path) -> None:
    schedule, validation = "schedule", "validation"
    run = checkpoints(tmp_path / "run", s2=validation, s4=schedule, s6=validation, s8=schedule, s9=schedule)
    keep_best(run, {2: 0.3, 4: 0.1, 6: 0.2}, None)
    assert sorted(path.name for path in run.iterdir()) == [f"global_step_{n}" for n in (2, 4, 8, 9)]
    keep_best(run, {2: 0.3, 4: 0.1, 8: 0.2}, 1)
    assert sorted(path.name for path in run.iterdir()) == ["global_step_2", "global_step_9"]
