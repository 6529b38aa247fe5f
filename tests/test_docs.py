"""Every command of README and docs/*.md is one that the command lines take, and says where it is run.

pytest tests/test_docs.py        (README's two blocks that load a model are slow: `make slow`)

Above each block with commands stands an HTML comment, which no reader sees: `run by tests/...`, or
`not run here: ` and the reason. Transcripts (`$ evalkit ...`) run by this file must print what they show.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from places import ROOT

from evalkit.cli.app import app as evalkit_app
from trainkit.cli.app import app as trainkit_app

PROGRAMS = {"evalkit": evalkit_app, "trainkit": trainkit_app}
BLOCK = re.compile(r"(?:<!-- ([^\n]*?) -->\n)?```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?:\$ )?((?:[A-Z_]+=\S+ )*(?:evalkit|trainkit|make) .*)")
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": PATH, "COLUMNS": "200"}


@dataclass(frozen=True)
class Block:
    page: str
    where: str
    text: str

    def commands(self) -> Iterator[str]:
        for line in self.text.replace("\\\n", " ").splitlines():
            if found := COMMAND.match(line.strip()):
                yield found[1]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    block
    for page in PAGES
    for where, text in BLOCK.findall(page.read_text())
    if list((block := Block(str(page.relative_to(ROOT)), where, text)).commands())
]
HERE = "run by tests/test_docs.py"


def shell(script: str, cwd: Path) -> str:
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def parsed(command: str) -> None:
    """Raises click's UsageError where an option is unknown, missing or of another type."""
    for part in re.split(r"\s*(?:;|&&)\s*", command.split(" #")[0]):
        words = [word for word in shlex.split(part) if not re.match(r"[A-Z_]+=", word)]
        if not words or words[0] not in PROGRAMS:
            continue
        group = typer.main.get_command(PROGRAMS[words.pop(0)])
        while words and words[0] in getattr(group, "commands", {}):
            group = group.commands[words.pop(0)]  # type: ignore[attr-defined]
        group.make_context(None, words)


@pytest.mark.parametrize("page", [str(page.relative_to(ROOT)) for page in PAGES])
def test_the_command_lines_take_what_is_written(page: str) -> None:
    refused = []
    for block in BLOCKS:
        for command in block.commands() if block.page == page else ():
            try:
                parsed(command)
            except Exception as error:
                refused.append(f"{command}: {error}")
    assert not refused, "\n".join(refused)


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}))
def test_every_block_says_where_it_is_run(page: str) -> None:
    silent = []
    for block in BLOCKS:
        if block.page != page or re.fullmatch(r"not run here: \S.{9,}", block.where):
            continue
        test = ROOT / block.where.removeprefix("run by ")
        if not (block.where.startswith("run by tests/") and test.is_file()):
            silent.append(block.text)
        elif block.where != HERE:
            assert page in test.read_text(), f"{test.name} does not name {page}"
    assert not silent, "no `run by` and no `not run here` above:\n" + "\n".join(silent)


@pytest.mark.parametrize(
    "block",
    [block for block in BLOCKS if block.where == HERE and block.text.startswith("$ ")],
    ids=lambda block: block.page,
)
def test_transcripts_print_what_they_show(block: Block) -> None:
    """Of recorded runs, so in a fresh clone."""
    for part in block.text.removeprefix("$ ").split("\n$ "):
        command, _, shown = part.partition("\n")
        printed = shell(command, ROOT)
        for line in shown.splitlines():
            assert line.rstrip() in printed, (line, printed)


LOADING = [block for block in BLOCKS if block.where == HERE and not block.text.startswith("$ ")]


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.parametrize("block", LOADING, ids=lambda block: next(block.commands()))
def test_blocks_work_as_they_stand(block: Block, tmp_path: Path) -> None:
    """Pasted into a shell in an empty folder: real vLLM, and real training."""
    assert shell(block.text, tmp_path).strip()
