"""One writer a folder, with flock and without it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.file_lock import FileLock


@pytest.fixture(params=["flock", "none"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "none":

        def flock(descriptor: int, operation: int) -> None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        monkeypatch.setattr(fcntl, "flock", flock)
    place = tmp_path / "with space"
    place.mkdir()
    (place / "records.jsonl").touch()
    return place / "records.jsonl"


def test_a_second_writer_waits_or_is_told_who_has_it(path: Path) -> None:
    with path.open("ab") as one, path.open("ab") as two:
        first, second = FileLock(one.fileno(), path), FileLock(two.fileno(), path)
        assert first.acquire() is None
        assert "process" in str(second.acquire(0.1))
        second.release()  # takes nothing from the first
        assert second.acquire() is not None
        first.release()
        assert second.acquire() is None
        second.release()
    assert [p.name for p in path.parent.iterdir()] == ["records.jsonl"]


@pytest.mark.parametrize("path", ["none"], indirect=True)
def test_the_mark_of_a_dead_process_is_taken_over_and_that_of_another_host_is_not(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    mark = path.with_name(".records.jsonl.held")
    with path.open("ab") as file:
        lock = FileLock(file.fileno(), path)
        mark.write_text(f"{socket.gethostname()} {done.stdout.strip()}\n")
        assert lock.acquire() is None
        lock.release()
        mark.write_text("elsewhere 1\n")
        assert "process 1 on elsewhere" in str(lock.acquire()) and f"rm '{mark}'" in str(lock.acquire())
        mark.write_text("")
        assert lock.acquire() is not None
