"""Nothing foreign steers a terminal, a spreadsheet or a page, and no terminal ends a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from evalkit.text import csv_cell, json_text, markdown_cell, render_grid

STEERING = "a\x1b[31mb\u202ec\x00d\x9be\u200bf"


def run(*arguments: str, cwd: Path, **more: object) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more.pop("env", {})}  # type: ignore[dict-item]
    command = [sys.executable, "-m", "evalkit", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, **{"capture_output": True, **more})  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    logs = [str(ROOT / f"tests/corpora/lm_eval/{name}") for name in ("base", "tuned")]
    assert run("import", *logs, cwd=folder).returncode == 0
    return folder


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp437"])
def test_a_terminal_that_lacks_characters_gets_the_table(runs: Path, encoding: str) -> None:
    done = run("diff", "base-gsm8k", "tuned-gsm8k", cwd=runs, env={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0 and b"Traceback" not in done.stderr and b"tuned is better" in done.stdout


HEALTHY = ROOT / "tests/corpora/doctor/healthy"
PRINTING = [
    "evalkit runs",
    "evalkit runs --format json",
    "evalkit show base-gsm8k",
    "evalkit diff base-gsm8k tuned-gsm8k",
    "evalkit compare-rules base-gsm8k",
    "evalkit prompts list",
    "evalkit prompts show gsm8k-boxed",
    "evalkit tasks list",
    "evalkit --help",
    "trainkit plan --model smollm2-135m --task sums --on H100",
    f"trainkit doctor {HEALTHY}",
    f"trainkit audit {HEALTHY}",
    f"trainkit watch {HEALTHY}",
]


@pytest.mark.parametrize("command", PRINTING)
def test_a_full_device_is_said_in_a_sentence_and_a_poor_terminal_gets_its_table(
    runs: Path, command: str
) -> None:
    shell = f"{sys.executable} -m {command}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONIOENCODING": "latin-1"}
    poor = subprocess.run(shell, shell=True, cwd=runs, env=environment, capture_output=True)
    assert poor.returncode == 0 and poor.stdout and b"Traceback" not in poor.stderr
    full = subprocess.run(f"{shell} >/dev/full", shell=True, cwd=runs, env=environment, capture_output=True)
    assert full.returncode == 2 and full.stderr.decode().splitlines()[-1].startswith("error: what was to be")
    assert b"Traceback" not in full.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "2>/dev/full", ">&- 2>/dev/full"])
def test_streams_that_are_closed_or_full_end_no_work(runs: Path, tmp_path: Path, closed: str) -> None:
    """What is printed reaches no file that got the number of a closed stream."""
    written, shown = tmp_path / "report.html", "diff base-gsm8k tuned-gsm8k"
    for command in (f"report base-gsm8k tuned-gsm8k --output {written}", shown):
        shell = f"{sys.executable} -m evalkit {command} {closed}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(shell, shell=True, cwd=runs, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        assert b"Traceback" not in done.stderr
    assert written.read_bytes().rstrip().endswith(b"</html>")
    assert b"tuned is better" in done.stdout or ">&-" in closed


def test_a_closed_stdin_is_an_empty_one(tmp_path: Path) -> None:
    shell = f"{sys.executable} -m evalkit extract - <&-"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(shell, shell=True, cwd=tmp_path, env=environment, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_reader_that_leaves_ends_nothing(runs: Path) -> None:
    shell = f"{sys.executable} -m evalkit runs --format json | head -c 1"
    done = subprocess.run(
        shell, shell=True, cwd=runs, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [("show", "x\x1b[31m\u202e"), ("diff", "a\x9b", "b"), ("runs", "\x1b]0;x\x07")]
)
def test_names_do_not_steer_the_terminal(runs: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, cwd=runs)
    text = (done.stdout + done.stderr).decode()
    assert not set(text) & set("\x1b\u202e\x9b\x07")


def test_json_escapes_what_steers_and_says_the_same() -> None:
    text = json_text({STEERING: [STEERING, "\ud800", 2**80]})
    assert not set(text) & set("\x1b\u202e\x00\x9b\u200b\ud800")
    assert json.loads(text) == {STEERING: [STEERING, "\ud800", 2**80]}


@pytest.mark.parametrize(
    "cell", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", "\t=1", "-a"]
)
def test_no_cell_is_a_formula(cell: str) -> None:
    assert csv_cell(cell) == f"'{cell}"
    assert f"'{cell}" in render_grid(["x"], [[cell]], "csv")


@pytest.mark.parametrize("cell", ["-0.5", "+9.1", "-36.8 to -16.0", "-1e-05", "1,319", "–", "", "-3.0 %"])
def test_numbers_stay_numbers(cell: str) -> None:
    assert csv_cell(cell) == cell


def test_markdown_takes_no_html() -> None:
    assert markdown_cell("<script>a|b</script>\n![x](y)") == "&lt;script>a\\|b&lt;/script><br>!\\[x\\](y)"
    assert markdown_cell("< 0.0001") == "< 0.0001"
