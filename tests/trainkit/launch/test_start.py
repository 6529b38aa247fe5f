"""The start of a run: its parts as the log shows them, vLLM's compile cache, one weight socket a run.

pytest tests/trainkit/launch/test_start.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import ROOT

from evalkit.process_start import process_started
from trainkit.launch import environment
from trainkit.launch.start_parts import ENDS, FILE_NAME, StartParts
from trainkit.plugins.switch import RUN_VARIABLE


def test_the_parts_of_a_start_are_said_once_and_kept(tmp_path: Path) -> None:
    log = tmp_path / "verl.log"
    log.write_bytes(b"of an earlier start: " + b" ".join(mark for _, mark in ENDS) + b"\n")
    parts = StartParts(tmp_path, time.time() - 5)
    assert parts.poll() is None and list(parts.parts) == ["preparation"]
    for name, mark in ENDS[:-1]:
        with log.open("ab") as file:
            file.write(b"(TaskRunner pid=1) " + mark + b" and more\n")
        assert parts.poll() is None and name in parts.parts
    with log.open("ab") as file:
        file.write(ENDS[-1][1] + b" 0%")  # the bar has no end of line yet
    said = parts.poll()
    assert said is not None and said.startswith(
        "5 s from the command to the first step (preparation 5, Ray 0"
    )
    assert parts.poll() is None
    kept = json.loads((tmp_path / FILE_NAME).read_text())
    assert list(kept["parts"]) == ["preparation", *(name for name, _ in ENDS)]
    assert kept["seconds"] == pytest.approx(sum(kept["parts"].values()), abs=0.5)


def test_the_command_began_when_the_process_did() -> None:
    code = (
        "import time; time.sleep(1);"
        "from evalkit.process_start import process_started; print(time.time() - process_started())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert float(done.stdout) >= 1
    assert process_started() < time.time()


@pytest.mark.parametrize(
    ("torch", "given", "expected"),
    [("2.11.0+cu130", None, "0"), ("2.10", None, "0"), ("2.9.1", None, None), ("2.11.0", "1", "1")],
)
def test_vllm_keeps_what_it_compiled_where_torch_is_sound(
    torch: str, given: str | None, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "version", lambda _: torch)
    monkeypatch.delenv("VLLM_DISABLE_COMPILE_CACHE", raising=False)
    if given:
        monkeypatch.setenv("VLLM_DISABLE_COMPILE_CACHE", given)
    found = environment.environment(tmp_path, "cuda", 0)
    assert found.get("VLLM_DISABLE_COMPILE_CACHE") == expected
    if not given:
        assert "VLLM_DISABLE_COMPILE_CACHE" not in environment.environment(tmp_path, "cpu", 0)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.slow)])
def test_two_runs_name_their_sockets_differently(device: str, tmp_path: Path) -> None:
    """Both ask Ray for the number of the job, as verl does, in a process that imports verl's modules."""
    code = (
        "import ray, trainkit.plugins.own_socket as ours;"
        "ours.rays_own = lambda self: '01000000';"
        "print(ray.get_runtime_context().get_job_id())"
    )
    names = set()
    for number in ("17", "18"):
        env = environment.environment(tmp_path, device, 0) | {RUN_VARIABLE: number}
        assert "trainkit.plugins.own_socket" in env["VERL_USE_EXTERNAL_MODULES"].split(",")
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT), env["PYTHONPATH"]])
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        names.add(done.stdout.strip())
    assert names == {"01000000-17", "01000000-18"}
