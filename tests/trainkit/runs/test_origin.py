"""A run's pickles are loaded only where the run was begun here, by this user, or the user says so."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from prompts.errors import UserError
from prompts.files import write_json
from trainkit.runs.origin import FILE_NAME, mark_origin, require_own, require_own_code


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    mark_origin(folder)
    return folder


def test_ones_own_run_is_resumed_also_where_it_was_moved(run: Path, tmp_path: Path) -> None:
    require_own(run, trusted=False)
    require_own(Path(shutil.copytree(run, tmp_path / "copy")), trusted=False)


def test_a_run_of_another_machine_is_refused_unless_trusted(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    with pytest.raises(UserError, match="--trust-run"):
        require_own(run, trusted=False)
    with pytest.raises(UserError, match="asks for code"):
        require_own_code(run)
    require_own(run, trusted=True)
    require_own(run, trusted=False)  # it was trusted once


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("name", ["global_step_2", "global_step_2/data.pt", "global_step_2/actor/model.pt"])
def test_files_of_another_user_in_ones_own_run_are_refused(run: Path, name: str) -> None:
    for part in ("global_step_2/data.pt", "global_step_2/actor/model.pt"):
        (run / part).parent.mkdir(parents=True, exist_ok=True)
        (run / part).write_bytes(b"pickle")
    require_own(run, trusted=False)
    os.chown(run / name, 12345, -1)
    with pytest.raises(UserError, match=f"{name} belongs to another user.* --trust-run"):
        require_own(run, trusted=False)
    require_own(run, trusted=True)


def test_a_folder_behind_a_link_in_a_checkpoint_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "disk" / "global_step_2").mkdir(parents=True)
    (run / "global_step_2").symlink_to(tmp_path / "disk" / "global_step_2")  # a checkpoint on another disk
    require_own(run, trusted=False)
    (tmp_path / "disk" / "global_step_2" / "actor").symlink_to(tmp_path)
    with pytest.raises(UserError, match="actor belongs to another user, or is a link"):
        require_own(run, trusted=False)


@pytest.mark.parametrize("mark", [None, {}, {"id": "a", "mac": "b"}, {"id": 5, "mac": None}])
def test_no_mark_or_a_made_up_one_is_refused(run: Path, mark: dict[str, object] | None) -> None:
    (run / FILE_NAME).unlink()
    if mark is not None:
        write_json(run / FILE_NAME, mark)
    with pytest.raises(UserError, match="pickles"):
        require_own(run, trusted=False)


def test_the_key_is_the_users_alone(run: Path, state: Path) -> None:
    (key,) = state.rglob("origin.key")
    assert key.stat().st_mode & 0o077 == 0
