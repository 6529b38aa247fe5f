"""The real training run that several files of tests look at: killed, then resumed by the same command."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from own_run import TWO_STEPS, Killed, command, drawn, lines, stop_when, write_own

from prompts.errors import UserError
from trainkit.launch.process import hold


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """A run of two steps, `kill -9` in the middle of the second save."""
    cwd = tmp_path_factory.mktemp("train")
    write_own(cwd)
    folder = cwd / "runs/own"

    def saving() -> bool:
        step = folder / "global_step_2"
        return any(step.glob("actor/*")) and not (step / "manifest.json").exists()

    stop_when(saving, *TWO_STEPS, cwd=cwd, by=signal.SIGKILL)
    noted = [[line["ids"] for line in lines(folder / f"tokens_{at}.jsonl")] for at in ("batch", "vllm")]
    assert not (folder / "global_step_2/manifest.json").exists()
    scored = command("score", "--model", "own:step_2", "--task", "sums", cwd=cwd, name="evalkit", code=2)
    return Killed(folder, *noted, drawn(folder, 2), scored)


@pytest.fixture(scope="session")
def resumed(killed: Killed) -> tuple[Path, str]:
    """The same run, after the same command was given again, and what that printed."""
    for _ in range(300):  # verl holds the folder until the kernel has ended it
        try:
            with hold(killed.folder):
                break
        except UserError:
            time.sleep(0.1)
    return killed.folder, command(*TWO_STEPS, cwd=killed.folder.parent.parent)
