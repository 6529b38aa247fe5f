"""Prompt templates: versioned texts around a row, read from TOML, frozen once released.

A folder of templates holds one `name@version.toml` a template and `released.json`, which maps the
refs of released templates to the sha256 of their text. An edited text is refused at load: results
and locks cite the ref, so a change is a new version.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from prompts.errors import UserError

BUILT_IN = Path(__file__).parent / "templates"
RELEASED = "released.json"
PLACEHOLDER = "{question}"
Kind = Literal["chat", "raw"]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One worked example: the question is put through the template's `user` text, the answer is verbatim."""

    question: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Template:
    """A prompt template. `tasks` and `description` may be corrected after release, the rest may not."""

    name: str
    version: int
    kind: Kind
    """`chat`: messages for the tokenizer's chat template; `raw`: plain text for base models."""
    user: str
    """Text around the row; every `{question}` in it becomes the question, all else stands as it is."""
    rule: str
    """Extraction rule by name; its version is pinned by the prompt lock."""
    marker: str = ""
    """What the text asks the model to write before its answer, empty where it asks for nothing."""
    system: str | None = None
    turns: tuple[Turn, ...] = ()
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Handed to the chat template, for instance `enable_thinking = false`."""
    tasks: tuple[str, ...] = ()
    """Tasks that `prompts cost` compares it on; shell patterns such as `rg:*`."""
    description: str = ""
    released: bool = False
    """Whether its folder's released.json lists it; set at load, no key of the file."""

    @property
    def ref(self) -> str:
        return f"{self.name}@{self.version}"

    def serves(self, task: str) -> bool:
        return any(fnmatchcase(task, pattern) for pattern in self.tasks)

    @cached_property
    def text_sha256(self) -> str:
        """Hash of all that decides the prompt and how its answer is read, in a canonical form."""
        text = {
            "kind": self.kind,
            "system": self.system,
            "turns": [[turn.question, turn.answer] for turn in self.turns],
            "user": self.user,
            "rule": self.rule,
            "marker": self.marker,
            "chat_template_kwargs": dict(self.chat_template_kwargs),
        }
        canonical = json.dumps(text, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


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
            from prompts.edited_release import refusal  # it reads templates itself

            raise refusal(path, template, released[template.ref])
        templates[template.ref] = replace(template, released=template.ref in released)
    if gone := sorted(set(released) - set(templates)):
        raise UserError(f"{folder}: released template {gone[0]} is gone; restore {gone[0]}.toml")
    return templates


def read_released(folder: Path) -> dict[str, str]:
    """The hashes of the released templates of a folder; empty where nothing was released yet."""
    path = folder / RELEASED
    try:
        released = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}; restore it from version control") from None
    if not isinstance(released, dict):
        raise UserError(f"{path} holds no object of refs and hashes; restore it from version control")
    return released


def read_template(path: Path, text: str | None = None) -> Template:
    """Read one TOML file, or what once stood in it; UserError names the key that is wrong."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8") if text is None else text)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as TOML: {error}") from None
    turns = _checked_turns(path, values.pop("turns", []))
    _check_keys(path, values)
    if values["kind"] not in get_args(Kind):
        raise UserError(f"{path}: kind is {values['kind']!r}; allowed: {', '.join(get_args(Kind))}")
    if PLACEHOLDER not in values["user"]:
        raise UserError(f"{path}: user holds no {PLACEHOLDER}, so the model would not see the question")
    if values["kind"] == "raw" and values.get("chat_template_kwargs"):
        raise UserError(f"{path}: chat_template_kwargs have no effect in a raw template; remove them")
    template = Template(**{**values, "tasks": tuple(values.get("tasks", ())), "turns": turns})
    if path.stem != template.ref:
        raise UserError(f"{path} holds {template.ref}; the file must be named {template.ref}.toml")
    return template


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
    raise UserError(f"no prompt template {ref!r}{near}; `evalkit prompts list` shows all")


def near_names(name: str, allowed: Iterable[str]) -> str:
    """` (did you mean a or b?)` for an error message, or nothing."""
    near = difflib.get_close_matches(name, list(allowed), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


_REQUIRED = ("name", "version", "kind", "user", "rule")
_TYPES: Mapping[str, type] = {
    "name": str,
    "version": int,
    "kind": str,
    "user": str,
    "rule": str,
    "marker": str,
    "system": str,
    "chat_template_kwargs": dict,
    "tasks": list,
    "description": str,
}


def _check_keys(path: Path, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if key not in _TYPES:
            raise UserError(
                f"{path}: unknown key {key!r}{near_names(key, _TYPES)}; allowed: {', '.join(_TYPES)}, turns"
            )
        if type(value) is not _TYPES[key]:
            raise UserError(f"{path}: {key} is {value!r}, it must be of type {_TYPES[key].__name__}")
    for key in _REQUIRED:
        if key not in values:
            raise UserError(f"{path}: {key} is missing")


def _checked_turns(path: Path, turns: Any) -> tuple[Turn, ...]:
    try:
        found = tuple(Turn(**turn) for turn in turns)
        if all(type(text) is str for turn in found for text in (turn.question, turn.answer)):
            return found
    except TypeError:
        pass
    raise UserError(f"{path}: each of [[turns]] holds the texts `question` and `answer`, and nothing else")
