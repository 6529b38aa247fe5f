"""Prompt templates: versioned texts around a row, read from TOML, frozen once released.

A folder of templates holds one `name@version.toml` a template and `released.json`, which maps the
refs of released templates to the sha256 of their text. An edited text is refused at load: results
and locks cite the ref, so a change is a new version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from prompts.edited_release import refusal
from prompts.errors import UserError
from prompts.files import read_json
from prompts.template import BUILT_IN, RELEASED, Template, near_names, read_template


def load_templates(extra: Sequence[Path] = (), verify: bool = True) -> dict[str, Template]:
    """All templates by ref: the built-in ones and those of the folders `extra`.

    Raises UserError for a broken file or a ref that exists twice, Mismatch for a released text that
    was edited (not with `verify` off, which is for showing what was edited).
    """
    templates: dict[str, Template] = {}
    for folder in dict.fromkeys(path.resolve() for path in (BUILT_IN, *extra)):
        for template in load_folder(folder, verify).values():
            if template.ref in templates:
                raise UserError(
                    f"{folder}/{template.ref}.toml: the name {template.ref} is taken by another template; "
                    f"rename it or raise its version"
                )
            templates[template.ref] = template
    return templates


def load_folder(folder: Path, verify: bool = True) -> dict[str, Template]:
    """The templates of one folder by ref, each checked against the folder's released.json."""
    if not folder.is_dir():
        raise UserError(
            f"{folder} is no folder; a template in it is made by: evalkit prompts new NAME --prompts {folder}"
        )
    released = read_released(folder)
    templates = {}
    for path in sorted(folder.glob("*.toml")):
        template = read_template(path)
        if verify and released.get(template.ref, template.text_sha256) != template.text_sha256:
            raise refusal(path, template, released[template.ref])
        templates[template.ref] = replace(template, released=template.ref in released)
    if gone := sorted(set(released) - set(templates)):
        raise UserError(f"{folder}: released template {gone[0]} is gone; restore {gone[0]}.toml")
    return templates


def read_released(folder: Path) -> dict[str, str]:
    """The hashes of the released templates of a folder; empty where nothing was released yet."""
    path = folder / RELEASED
    if not path.exists():
        return {}
    try:
        return read_json(path)
    except UserError as error:
        raise UserError(f"{error}; restore it from version control") from None


def get_template(ref: str, extra: Sequence[Path] = ()) -> Template:
    """The template of a ref; a name without a version gives its newest. Unknown names raise UserError."""
    return find_template(ref, load_templates(extra))


def find_template(ref: str, templates: Mapping[str, Template]) -> Template:
    """As `get_template`, among templates that were loaded already."""
    if ref in templates:
        return templates[ref]
    versions = [template for template in templates.values() if template.name == ref]
    if versions:
        return max(versions, key=lambda template: template.version)
    known = {template.name for template in templates.values()}
    near = near_names(ref, templates if "@" in ref else known)
    raise UserError(
        f"no prompt template {ref!r}{near}; `evalkit prompts list` shows all, and --prompts FOLDER adds yours"
    )
