"""Making templates: a new file to edit, and the release that freezes its text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from prompts.errors import UserError
from prompts.files import write_whole
from prompts.registry import load_folder, read_released
from prompts.template import RELEASED, Template, read_template

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


def new_template(
    name: str, source: Template, source_file: Path, folder: Path, known: Mapping[str, Template]
) -> Path:
    """Write `name@version.toml` into a folder as a copy of another template; returns its path.

    The version is one above the newest of that name in `known`. Raises UserError where the name is
    no name or the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is no template name: small letters, digits, dots and hyphens, as in my-boxed"
        )
    version = 1 + max((template.version for template in known.values() if template.name == name), default=0)
    text = source_file.read_text(encoding="utf-8")
    for key, value in (("name", json.dumps(name)), ("version", str(version))):
        text = re.sub(rf"(?m)^{key}\s*=.*$", f"{key} = {value}", text, count=1)
    path = folder / f"{name}@{version}.toml"
    _write(path, text)
    if read_template(path).text_sha256 != source.text_sha256:
        path.unlink()
        raise UserError(
            f"{source_file} cannot be copied: `name` and `version` must stand on lines of their own"
        )
    return path


def release(ref: str, folder: Path) -> None:
    """Freeze a template of a folder: from now on its text may not change.

    Raises UserError where the folder holds no such template.
    """
    templates = load_folder(folder)
    if ref not in templates:
        raise UserError(
            f"{folder} holds no template {ref}; it holds: {', '.join(sorted(templates)) or 'none'}"
        )
    released = {**read_released(folder), ref: templates[ref].text_sha256}
    _write(folder / RELEASED, json.dumps(dict(sorted(released.items())), indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    """Write a text file and the folder it stands in; UserError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
    write_whole(path, text.encode())
