"""The refusal of a released template whose text was edited: what changed since, and the two ways out.

Released texts are kept in version control, so git is asked for the one whose hash was released.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from prompts.errors import Mismatch, UserError
from prompts.git import ask_git
from prompts.template import BUILT_IN, Template, read_template
from prompts.text_diff import line_diff

COMMITS = 20
"""So many changes of the file are looked through, the newest first."""


def refusal(path: Path, template: Template, released: str) -> Mismatch:
    """The error for a file whose text does not hash to what was `released`."""
    undo, diff = f"undo the edit of {template.ref}", ""
    if known := released_text(path, released):
        commit, text = known
        undo += f": git -C {shlex.quote(str(path.parent))} restore --source={commit} {path.name}"
        names = (f"{path.name}, as released", f"{path.name}, now")
        diff = line_diff(text, path.read_text(encoding="utf-8"), names)
    folder = "" if path.parent == BUILT_IN.resolve() else f" --prompts {shlex.quote(str(path.parent))}"
    return Mismatch(
        f"{path} was edited after its release as {template.ref} (its text has sha256 "
        f"{template.text_sha256[:12]}, released was {str(released)[:12]}), and results may cite that text; "
        f"{undo}, or make a new version: evalkit prompts new {template.name}{folder} copies the edit, "
        "then undo it here",
        diff,
    )


def released_text(path: Path, sha256: str) -> tuple[str, str] | None:
    """The commit in which a template's file has this hash, and what stands there; None where git has none."""
    folder, newest = path.parent, f"--max-count={COMMITS}"
    commits = ask_git(folder, "rev-list", newest, "--abbrev-commit", "HEAD", "--", path.name)
    for commit in (commits or "").split():
        text = ask_git(folder, "cat-file", "blob", f"{commit}:./{path.name}")
        try:
            if text is not None and read_template(path, text).text_sha256 == sha256:
                return commit, text
        except UserError:
            continue  # it was no template then
    return None
