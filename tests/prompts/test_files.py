"""A file that is written is the old one or the new one, and nothing is left beside it.

pytest tests/prompts/test_files.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_runs import evalkit, refused
from places import ROOT

from prompts.errors import UserError
from prompts.files import clear_leftovers, whole_folder, write_whole


def write_elsewhere(path: Path, before: str) -> subprocess.CompletedProcess[str]:
    """Write 4 kB to a path in a process of its own, which runs `before` first."""
    code = (
        f"import resource, signal, sys; from pathlib import Path; from prompts.files import write_whole\n"
        f"{before}\nwrite_whole(Path(sys.argv[1]), b'n' * 4000)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_the_new_content_replaces_the_old(tmp_path: Path) -> None:
    for content in (b"old", b"", b"new\x00\xff"):
        write_whole(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_half_way_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """A file size limit stands in for the full disk: only a part of the content fits."""
    write_whole(tmp_path / "file", b"old")
    done = write_elsewhere(tmp_path / "file", "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))")
    assert f"UserError: {tmp_path}/file cannot be written: File too large" in done.stderr
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_kill_half_way_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """The system kills a process at its file size limit, unless that asks for an error as Python does."""
    write_whole(tmp_path / "file", b"old")
    killed = "signal.signal(signal.SIGXFSZ, signal.SIG_DFL); resource.setrlimit(resource.RLIMIT_CORE, (0, 0))"
    limit = "; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    assert write_elsewhere(tmp_path / "file", killed + limit).returncode < 0
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere/file", "No such file or directory"),
        ("file/below", "Not a directory"),
        ("folder", "Is a directory"),
        ("x" * 255, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=f"{name} cannot be written: {why}"):
        write_whole(tmp_path / name, b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_name_with_no_room_for_the_temporary_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "7"}\n')
    refused(evalkit("extract", "in.jsonl", "--output", "x" * 255, cwd=tmp_path), 2, "File name too long")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


KILLED = """
import os, signal, sys
from pathlib import Path
from prompts.files import whole_folder

with whole_folder(Path(sys.argv[1])) as temporary:
    (temporary / "part").write_text("x")
    print(temporary, flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_and_a_living_ones_stays(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for name in ("a[1]", "a[1]", "b")
    ]
    folders = [Path(process.stdout.readline().strip()) for process in started if process.stdout]
    started[0].communicate("now")
    started[2].communicate("now")
    try:
        with whole_folder(tmp_path / "a[1]"):
            assert all(folder.exists() for folder in folders), "too young to be told from one just made"
        shutil.rmtree(tmp_path / "a[1]")
        for folder in folders:
            os.utime(folder, (0, 0))
        (tmp_path / f".a[1].{folders[0].suffix[1:]}0").write_text("a file of that name is not ours")
        with whole_folder(tmp_path / "a[1]"):
            assert [folder.exists() for folder in folders] == [False, True, True]
        clear_leftovers(tmp_path)
        assert [folder.exists() for folder in folders] == [False, True, False]
        moved = folders[1].rename(
            tmp_path / ".a[1].999999999"
        )  # of another container: a number of nobody here
        clear_leftovers(tmp_path)
        assert moved.exists(), "its process holds it"
    finally:
        started[1].communicate("now")
    clear_leftovers(tmp_path)
    assert not moved.exists()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [f".a[1].{folders[0].suffix[1:]}0"]


@pytest.mark.parametrize("faster", ["folder", "file"])
def test_the_slower_of_two_writers_of_a_folder_is_told_that_it_exists(tmp_path: Path, faster: str) -> None:
    path = tmp_path / "run"
    with pytest.raises(UserError, match=r"run exists: .* keep that one$"), whole_folder(path) as temporary:
        (temporary / "part").write_text("slower")
        if faster == "folder":
            path.mkdir()
        (path / "part" if faster == "folder" else path).write_text("faster")
    (written,) = tmp_path.iterdir()
    assert (written / "part" if faster == "folder" else written).read_text() == "faster"
