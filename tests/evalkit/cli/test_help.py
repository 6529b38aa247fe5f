"""Help shows every command in a group, with an example that the command line takes.

pytest tests/evalkit/cli/test_help.py
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from made_runs import completion, gsm8k_rows, make_run, needs_gsm8k

from evalkit.cli.app import app as evalkit_app
from evalkit.cli.help import EXAMPLES, GROUPS, TOPICS
from evalkit.run_app import show_version
from evalkit.score.options import ScoreOptions
from prompts.errors import UserError
from trainkit.cli.app import app as trainkit_app
from trainkit.cli.help import EXAMPLES as TRAIN_EXAMPLES
from trainkit.cli.help import GROUPS as TRAIN_GROUPS
from trainkit.cli.help import TOPICS as TRAIN_TOPICS
from trainkit.options import Options

PROGRAMS = {
    "evalkit": (evalkit_app, GROUPS, EXAMPLES),
    "trainkit": (trainkit_app, TRAIN_GROUPS, TRAIN_EXAMPLES),
}
ALONE = (
    "doctor",
    "runs",
    "extract",
    "prompts list",
    "tasks list",
    "tasks show",
    "tasks check",
    "prompts new",
    "prompts show",
    "prompts release",
)
"""Commands of evalkit whose examples need no run, and of a model only the tokenizer: they are run here."""
OF_RUNS = ("show", "report", "diff", "why", "power", "rescore", "compare-rules", "export")
"""Examples that name runs, made for them. The rest needs a model, a training run or a foreign file."""


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_stands_in_a_group_with_an_example(program: str) -> None:
    app, groups, examples = PROGRAMS[program]
    root = typer.main.get_command(app)
    assert sorted(name for names in groups.values() for name in names) == sorted(root.commands)  # type: ignore[attr-defined]
    assert sorted(examples) == sorted(name for name, _ in commands(root))


@pytest.mark.parametrize("program", PROGRAMS)
def test_examples_are_taken_by_the_command_line(program: str) -> None:
    app, _, examples = PROGRAMS[program]
    for name, command in commands(typer.main.get_command(app)):
        words = shlex.split(examples[name])
        assert words[: 1 + len(name.split())] == [program, *name.split()]
        command.make_context(name, words[1 + len(name.split()) :])  # raises where an option is unknown


@pytest.mark.parametrize(
    ("program", "command", "kind", "topics", "first"),
    [
        ("evalkit", "score", ScoreOptions, TOPICS, {"model", "task", "output"}),
        ("trainkit", "grpo", Options, TRAIN_TOPICS, {"algorithm", "model", "task", "steps", "output"}),
    ],
)
def test_options_stand_by_topic(
    program: str, command: str, kind: Any, topics: dict[str, tuple[str, ...]], first: set[str]
) -> None:
    """Each option in one topic, but for the few that come first."""
    placed = [name for names in topics.values() for name in names]
    assert sorted(placed) == sorted({item.name for item in fields(kind)} - first)
    done = subprocess.run([sys.executable, "-m", program, command, "--help"], capture_output=True, text=True)
    shown = [line.split("─ ")[1].split(" ─")[0] for line in done.stdout.splitlines() if line.startswith("╭")]
    assert sorted(shown) == sorted(["Options", *topics]) and shown[0] == "Options"


def test_examples_that_need_nothing_work(tmp_path: Path) -> None:
    for name in ALONE:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(EXAMPLES[name])], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode in ((0, 1) if name == "doctor" else (0,)), (name, done.stderr)


@needs_gsm8k
def test_examples_of_runs_work(tmp_path: Path) -> None:
    """With runs of the names that stand in them."""
    rows = gsm8k_rows(40)
    for name, step in (("BASE", 0), ("NEW", 100), ("RUN", 50), ("step_50", 50), ("step_100", 100)):
        make_run(tmp_path / "results" / name, rows, lambda row, _, step=step: completion(row, step))
    for name in OF_RUNS:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(EXAMPLES[name])], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, (name, done.stderr)


@pytest.mark.parametrize("program", PROGRAMS)
def test_version(program: str) -> None:
    done = subprocess.run([sys.executable, "-m", program, "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.strip().count(".") == 2


def test_no_version_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalkit.run_app.DISTRIBUTION", "a-name-that-nobody-has")
    with pytest.raises(UserError, match="pip install -e"):
        show_version(True)


def test_a_program_with_vllm_ends_with_its_code_and_its_output(tmp_path: Path) -> None:
    """Python's teardown, which is left out, would flush both streams."""
    loaded = "import sys, types; sys.modules['vllm'] = types.ModuleType('vllm')"
    code = f"{loaded}; from evalkit.cli.app import main; main()"
    done = [
        subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path)
        for arguments in (("prompts", "list"), ("show", "no-such-run"))
    ]
    assert [end.returncode for end in done] == [0, 2]
    assert "gsm8k-boxed@1" in done[0].stdout and "no-such-run" in done[1].stderr
