"""The crash campaign: `make soak`, minutes. Nothing is lost, doubled or accepted wrong; no traceback.

    pytest -m soak

Each part prints a line with its counts; those of the last campaign stand in results/README.md.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from killed_scores import group_members, lines, whole_lines
from stand_in_engine import StandIn
from warm_evalkit import Warm

from evalkit.engines.base import EngineOptions
from evalkit.models.resolve import resolve_model
from evalkit.runs.folder import Run, read_run, read_runs
from evalkit.score.pipeline import score_model
from evalkit.score.plan import RunPlan, plan_run, select
from evalkit.score.resume import open_folder
from evalkit.tasks.load import load_rows
from prompts.errors import UserError

pytestmark = pytest.mark.soak
ROWS = 96
KILLS = int(os.environ.get("SOAK_KILLS", "200"))
VLLM_KILLS = int(os.environ.get("SOAK_VLLM_KILLS", "8"))
LEVELS = 23
ROUNDS = 20


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a line of counts, whatever pytest captures."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", flush=True)

    return line


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    server = Warm()
    yield server
    server.close()


@pytest.fixture(scope="module")
def model(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2's files with weights of eight bytes: the stand-in engine loads none."""
    folder = tmp_path_factory.mktemp("models") / "model"
    shutil.copytree(smollm2, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    header = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    return folder


def arguments(model: Path | str, rows: int = ROWS) -> list[str]:
    score = ["score", "--model", str(model), "--task", "sums", "--prompt", "sums-question"]
    return [*score, "--limit", str(rows), "--max-tokens", "48", "--output", "run"]


def finished(folder: Path, code: int, out: Path) -> Run:
    text = out.read_text(errors="replace")
    assert code == 0, text[-2000:]
    run = read_run(folder / "run")
    keys = [(record.id, record.sample) for record in run.records]
    assert run.complete and len(set(keys)) == len(keys) == ROWS
    assert "Traceback" not in text
    return run


def new_folder(root: Path, name: object) -> Path:
    folder = root / str(name)
    folder.mkdir()
    return folder


def test_kills_of_the_writer(say: Callable[[str], None], warm: Warm, model: Path, tmp_path: Path) -> None:
    drawn, kills, runs = random.Random(18), 0, 0
    reference: list[str] = []
    stages = {"starting": 0, "writing": 0, "ending": 0}
    while kills < KILLS or not reference:
        folder, kept = new_folder(tmp_path, runs), b""
        out = folder.with_suffix(".txt")
        out.touch()  # a kill may come before the process has opened it
        while True:
            pid = warm.start(folder, arguments(model), out)
            stage = drawn.choice(["starting", "writing", "writing", "writing", "ending"])
            count = lines(folder).count(b"\n")
            at = {"starting": 0, "writing": count + drawn.randrange(1, 24), "ending": ROWS - 1}[stage]
            until = time.monotonic() + (drawn.uniform(0, 2.0) if stage == "starting" else 120)
            alive = True
            while alive and time.monotonic() < until and (not at or lines(folder).count(b"\n") < at):
                alive = bool(group_members(pid))
                time.sleep(0.001)
            time.sleep(drawn.uniform(0, 0.02))
            if kills < KILLS:
                os.kill(pid, signal.SIGKILL)  # one that has ended waits for its parent, and bears it
            code = warm.wait(pid)
            now = whole_lines(lines(folder))
            assert now.startswith(kept), "a written record is gone or changed"
            assert "Traceback" not in out.read_text(errors="replace")
            kept = now
            if code == 0:
                break
            assert code == -signal.SIGKILL, out.read_text()
            kills += 1
            stages[stage] += 1
            if kills % 20 == 0:
                say(f"soak: {kills} of {KILLS} kills of the writer, none lost a record")
        run = finished(folder, code, out)
        runs += 1
        texts = [record.text for record in run.records]
        reference = reference or texts
        assert texts == reference
    say(f"soak: {kills} kills of the writer over {runs} runs of {ROWS} rows, {stages}: nothing lost")


@pytest.mark.engine
def test_kills_of_vllm(say: Callable[[str], None], tmp_path: Path) -> None:
    drawn, kills, runs = random.Random(8), 0, 0
    code = "from evalkit.cli.app import main; main()"
    command = [sys.executable, "-c", code, *arguments("smollm2-135m")]
    while kills < VLLM_KILLS:
        folder, kept = new_folder(tmp_path, runs), b""
        ended = None
        while ended is None:
            out = folder.with_suffix(".txt")
            with out.open("w") as file:
                process = subprocess.Popen(
                    command, cwd=folder, stdout=file, stderr=file, start_new_session=True
                )
            at = len(kept.splitlines()) + drawn.choice([0, 1, 8, 30, 60])
            begun = time.monotonic()
            wait = drawn.uniform(2, 15)
            while process.poll() is None and lines(folder).count(b"\n") < at:
                time.sleep(0.002)
            if at == len(kept.splitlines()):  # while it loads
                while process.poll() is None and time.monotonic() - begun < wait:
                    time.sleep(0.01)
            if kills < VLLM_KILLS and process.poll() is None:
                process.kill()
                process.wait()
                kills += 1
                time.sleep(0.5)
                assert not group_members(process.pid), "a part of the engine outlived the kill"
            else:
                ended = process.wait()
            now = whole_lines(lines(folder))
            assert now.startswith(kept)
            kept = now
        finished(folder, ended, out)
        runs += 1
    say(f"soak: {kills} kills of vLLM over {runs} runs: nothing lost, none twice, no process left")


@pytest.fixture(scope="module")
def plan(model: Path) -> RunPlan:
    task = select(load_rows("sums", "test"), 12, [])
    return plan_run(resolve_model(str(model)), task, prompt="sums-question")


def score(plan: RunPlan, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    def load(asked: RunPlan) -> StandIn:
        return StandIn(EngineOptions(log=folder.parent / "engine.log"))

    monkeypatch.setattr("stand_in_engine.SECONDS", 0.0)
    return score_model(plan, command="evalkit score", results=folder.parent, output=folder, load=load)


def test_every_byte_of_the_last_two_records(
    say: Callable[[str], None], plan: RunPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = score(plan, tmp_path / "whole", monkeypatch)
    records = (whole.folder / "records.jsonl").read_bytes()
    first = len(b"".join(records.splitlines(keepends=True)[:-2]))
    manifest = json.loads((whole.folder / "manifest.json").read_text())
    for size in range(first, len(records)):
        folder = Path(shutil.copytree(whole.folder, tmp_path / "run"))
        (folder / "summary.json").unlink()
        (folder / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
        (folder / "records.jsonl").write_bytes(records[:size])
        again = score(plan, folder, monkeypatch)
        assert again.complete and (folder / "records.jsonl").read_bytes() == records, size
        shutil.rmtree(folder)
    say(f"soak: {len(records) - first} cuts of the last two records: every run went on to the same file")


def test_every_byte_of_manifest_summary_and_lock(
    say: Callable[[str], None], plan: RunPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut file is named by one sentence, and never taken for a run that is complete."""
    whole = score(plan, tmp_path / "whole", monkeypatch)
    cuts = 0
    for name in ("manifest.json", "summary.json", "prompt.lock.json"):
        content = (whole.folder / name).read_bytes()
        end = len(content.rstrip())  # the file without its last line break is whole
        for size in range(end):
            (whole.folder / name).write_bytes(content[:size])
            with pytest.raises(UserError) as caught:
                run = open_folder(whole.folder, plan)
                assert run is not None
                assert run.complete and run.lock and run.summary
            assert "\n" not in str(caught.value) and name in str(caught.value), (name, size)
            listed, broken = read_runs(tmp_path)
            assert name == "prompt.lock.json" or (not listed and len(broken) == 1)
            cuts += 1
        (whole.folder / name).write_bytes(content)
    assert score(plan, whole.folder, monkeypatch).complete
    say(f"soak: {cuts} cuts of manifest, summary and lock: each named, none accepted")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a file system of a size in KiB, or makes it larger; skips where that is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def sized(kib: int) -> Path:
        nonlocal mounted
        options = f"size={kib}k" + (",remount" if mounted else "")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(place)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"no file system of a size can be made here: {done.stderr.strip()}")
        mounted = True
        return place

    yield sized
    if mounted:
        subprocess.run(["umount", str(place)], check=True)


def test_levels_of_free_space(
    say: Callable[[str], None], warm: Warm, model: Path, tmp_path: Path, disk: Callable[[int], Path]
) -> None:
    out = tmp_path / "out.txt"
    place = disk(4096)
    folder = new_folder(place, "whole")
    finished(folder, warm.wait(warm.start(folder, arguments(model), out)), out)
    needed = sum(-(-path.stat().st_size // 4096) * 4 for path in folder.rglob("*") if path.is_file())
    shutil.rmtree(folder)
    failed = 0
    for level in range(LEVELS):
        size = 4 + (needed + 40) * level // (LEVELS - 1) // 4 * 4
        folder = new_folder(disk(max(8, size)), "run-here")
        code = warm.wait(warm.start(folder, arguments(model), out))
        text = out.read_text(errors="replace")
        assert "Traceback" not in text, text[-2000:]
        if code:
            failed += 1
            assert code in (1, 2) and "error: " in text, text[-2000:]
        kept = whole_lines(lines(folder))
        disk(4096)
        run = finished(folder, warm.wait(warm.start(folder, arguments(model), out)), out)
        assert lines(folder).startswith(kept) and run.complete
        shutil.rmtree(folder)
    assert 0 < failed < LEVELS
    say(f"soak: {LEVELS} levels of free space, {failed} too small: each said so, and went on with more")


def test_two_scorers_on_one_folder(say: Callable[[str], None], model: Path, tmp_path: Path) -> None:
    drawn, refused, warm = random.Random(2), 0, Warm(seconds=0.05)
    for number in range(ROUNDS):
        folder = new_folder(tmp_path, number)
        outs = [tmp_path / f"{number}-{side}.txt" for side in "ab"]
        pids = []
        for out in outs:
            pids.append(warm.start(folder, arguments(model), out))
            until = time.monotonic() + 60
            while number % 2 and not lines(folder) and time.monotonic() < until:
                time.sleep(0.001)  # in every second round the other comes while the first one writes
            time.sleep(drawn.uniform(0, 0.6))
        codes = [warm.wait(pid) for pid in pids]
        texts = [out.read_text() for out in outs]
        assert 0 in codes and set(codes) <= {0, 2}, texts
        for code, text in zip(codes, texts, strict=True):
            assert "Traceback" not in text
            if code == 2:
                refused += 1
                assert "process" in text, text
        finished(folder, 0, outs[codes.index(0)])
    warm.close()
    assert refused
    say(f"soak: two scorers on one folder, {ROUNDS} times: one wrote, {refused} were told who does")
