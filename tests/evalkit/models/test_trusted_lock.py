"""A lock is believed only where everything that witnessed it agrees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from written_runs import LOCK

from evalkit.models.trusted_lock import REPLACED, note_adopted, trusted_lock
from prompts.errors import Mismatch
from prompts.files import read_json, write_json
from prompts.lock import FILE_NAME, Lock, write_lock

OTHER = replace(LOCK, reading={**LOCK.reading, "stop_ids": [7]})
OTHER_ROWS = replace(LOCK, data={**LOCK.data, "rows": 1, "prompts": {"a": "b"}})


@pytest.fixture
def step(tmp_path: Path) -> Path:
    """A checkpoint in its training run; the files that the witnesses read."""
    run, step = tmp_path / "run", tmp_path / "run/global_step_2"
    step.mkdir(parents=True)
    write_json(run / "train.json", {"schema": 1, "fingerprint": LOCK.fingerprint})
    write_json(step / "manifest.json", {"kind": "checkpoint", "fingerprint": LOCK.fingerprint, "marks": []})
    for folder in (run, step):
        write_lock(LOCK, folder)
    return step


def test_a_lock_that_all_name_is_used(step: Path) -> None:
    assert trusted_lock(step, step.parent) == LOCK
    (step / FILE_NAME).unlink()
    assert trusted_lock(step, step.parent) == LOCK  # the run's, which the manifest names


@pytest.mark.parametrize("other", [OTHER, OTHER_ROWS], ids=["another reading", "other rows"])
def test_the_lock_of_another_checkpoint_is_refused(step: Path, other: Lock) -> None:
    write_lock(other, step)
    with pytest.raises(Mismatch, match=r"prompts adopt .* --force"):
        trusted_lock(step, step.parent)


@pytest.mark.parametrize("gone", ["step", "all"])
def test_a_copied_checkpoint_is_held_against_its_manifest(step: Path, gone: str) -> None:
    if gone == "all":
        (step / FILE_NAME).unlink()
        with pytest.raises(Mismatch, match="has lost its prompt lock"):
            trusted_lock(step, None)
    else:
        write_lock(OTHER, step)
        with pytest.raises(Mismatch, match="is not its own"):
            trusted_lock(step, None)


def test_all_locks_gone_is_refused(step: Path) -> None:
    for folder in (step, step.parent):
        (folder / FILE_NAME).unlink()
    with pytest.raises(Mismatch, match="has lost its prompt lock"):
        trusted_lock(step, step.parent)


def test_a_merged_folder_is_held_against_its_report(tmp_path: Path) -> None:
    write_json(tmp_path / "merge.json", {"fingerprint": LOCK.fingerprint})
    write_lock(LOCK, tmp_path)
    assert trusted_lock(tmp_path, None) == LOCK
    write_lock(OTHER, tmp_path)
    with pytest.raises(Mismatch):
        trusted_lock(tmp_path, None)


def test_a_lock_that_was_replaced_on_purpose_is_used_and_marked(step: Path) -> None:
    write_lock(OTHER, step)
    note_adopted(step, step.parent, OTHER)
    assert trusted_lock(step, step.parent) == OTHER
    assert read_json(step / "manifest.json")["marks"] == [REPLACED]
    write_lock(OTHER_ROWS, step)
    with pytest.raises(Mismatch):
        trusted_lock(step, step.parent)


def test_files_from_before_record_nothing_and_differ_in_nothing(tmp_path: Path) -> None:
    write_json(tmp_path / "merge.json", {"step": 2})
    write_json(tmp_path / "manifest.json", {"kind": "checkpoint"})
    assert trusted_lock(tmp_path, None) is None
    write_lock(LOCK, tmp_path)
    assert trusted_lock(tmp_path, None) == LOCK
