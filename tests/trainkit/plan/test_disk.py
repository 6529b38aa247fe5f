"""A full disk is one line: before the start, and where it became full in between.

    pytest tests/trainkit/plan/test_disk.py

Each test mounts a small disk of its own, in a name space that ends with the process.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

FILLED = """
import os, sys
from pathlib import Path
from prompts.errors import Failed
from trainkit.diagnose.doctor import diagnose
from trainkit.launch.process import hold, run_verl
from trainkit.runs.folder import TrainingRun
from trainkit.runs.job import write_job
sys.path.insert(0, "tests/helpers")
from made_training_runs import made_job
folder = Path(sys.argv[1])
folder.mkdir()
write_job(made_job(), folder)
with hold(folder) as lock:
    try:
        run_verl(["dd", "if=/dev/zero", "of=shard.pt"], folder, dict(os.environ), lock, lambda: None)
    except Failed as error:
        print(error)
print(diagnose(TrainingRun(folder))[0].cause)
"""


def on_a_small_disk(place: Path, size: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command where `place` is a disk of its own; skips where name spaces are not allowed."""
    place.mkdir()
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    script = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    if subprocess.run([*mount, script, str(place), "true"], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here: unshare --user --mount is not allowed")
    done = [*mount, script, str(place), sys.executable, *command]
    return subprocess.run(done, capture_output=True, text=True, cwd=ROOT)


def test_a_start_without_room_for_a_checkpoint_is_refused(smollm2: Path, tmp_path: Path) -> None:
    words = ("--model", str(smollm2), "--task", "sums", "--device", "cpu", "--output", f"{tmp_path}/disk/run")
    listing = "import os, sys; from trainkit.cli.app import main\ntry: main()\n"
    listing += f"finally: print(os.listdir({str(tmp_path / 'disk')!r}))"
    done = on_a_small_disk(tmp_path / "disk", "20m", "-c", listing, "grpo", *words)
    assert done.stderr == (
        f"error: a checkpoint takes 1.5 GiB, and 0.0 GiB are free in {tmp_path}/disk; "
        "remove something there, or name another --output\n"
    )
    assert done.returncode == 2
    assert done.stdout == "[]\n", "nothing is left behind"


def test_a_disk_that_became_full_is_named(tmp_path: Path) -> None:
    done = on_a_small_disk(tmp_path / "disk", "2m", "-c", FILLED, str(tmp_path / "disk/run"))
    message, cause = done.stdout.splitlines()
    assert message == (
        f"verl ended with exit code 1, and the disk of {tmp_path}/disk/run is full; "
        "remove something there, then the same command resumes"
    )
    assert cause == "disk-full"
