"""One prompt template: what it holds, its TOML file, and the hash of all that decides a prompt."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from prompts.errors import UserError
from prompts.files import read_toml

BUILT_IN = Path(__file__).parent / "templates"
RELEASED = "released.json"
PLACEHOLDER = "{question}"
_FIELD = re.compile(r"\\[A-Za-z]+\{[^{}]*\}|[\^_]\{[^{}]*\}|\{\{.*?\}\}|\{([A-Za-z_]\w*)\}")
"""A field in braces (the group); what LaTeX writes in braces, and doubled braces, come first and are text."""
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
    """Text around the row; every `{question}` in it becomes the question, `{other}` the field `other`."""
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
    folders: tuple[Path, ...] = field(default=(), compare=False)
    """The folder of its file, where a grader of its `rule` is looked up; set at load, no key of the file."""

    @property
    def ref(self) -> str:
        return f"{self.name}@{self.version}"

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields of a row that fill its placeholders, `{question}` left out, in the order of the text."""
        found = (match[1] for text in (self.system or "", self.user) for match in _FIELD.finditer(text))
        return tuple(dict.fromkeys(name for name in found if name and name != "question"))

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


def template_values(template: Template) -> dict[str, Any]:
    """The template as plain JSON values, as `template_of` reads them back."""
    values = {name: getattr(template, name) for name in (*_TYPES, "turns")}
    values["turns"] = [{"question": turn.question, "answer": turn.answer} for turn in template.turns]
    return values | {
        "tasks": list(template.tasks),
        "chat_template_kwargs": dict(template.chat_template_kwargs),
    }


def template_of(values: Mapping[str, Any], source: str) -> Template:
    """The template that a prompt lock carries; UserError where it is none. It counts as released."""
    values = {key: value for key, value in values.items() if value is not None}
    turns = _checked_turns(source, values.pop("turns", []))
    _check_values(source, values)
    return Template(**{**values, "tasks": tuple(values.get("tasks", ())), "turns": turns, "released": True})


def read_template(path: Path, text: str | None = None) -> Template:
    """Read one TOML file, or what once stood in it; UserError names the key that is wrong."""
    values = read_toml(path, None if text is None else text.encode())
    turns = _checked_turns(path, values.pop("turns", []))
    _check_values(path, values)
    template = Template(
        **{**values, "tasks": tuple(values.get("tasks", ())), "turns": turns, "folders": (path.parent,)}
    )
    if path.stem != template.ref:
        raise UserError(f"{path} holds {template.ref}; the file must be named {template.ref}.toml")
    return template


def _check_values(path: Path | str, values: Mapping[str, Any]) -> None:
    _check_keys(path, values)
    if values["kind"] not in get_args(Kind):
        raise UserError(f"{path}: kind is {values['kind']!r}; allowed: {', '.join(get_args(Kind))}")
    if PLACEHOLDER not in values["user"]:
        raise UserError(f"{path}: user holds no {PLACEHOLDER}, so the model would not see the question")
    if values["kind"] == "raw" and values.get("chat_template_kwargs"):
        raise UserError(f"{path}: chat_template_kwargs have no effect in a raw template; remove them")


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


def _check_keys(path: Path | str, values: Mapping[str, Any]) -> None:
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


def _checked_turns(path: Path | str, turns: Any) -> tuple[Turn, ...]:
    try:
        found = tuple(Turn(**turn) for turn in turns)
        if all(type(text) is str for turn in found for text in (turn.question, turn.answer)):
            return found
    except TypeError:
        pass
    raise UserError(f"{path}: each of [[turns]] holds the texts `question` and `answer`, and nothing else")


def fill_fields(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of their `{name}`, in one pass; a name without a value stays as it is."""
    if not values:
        return text
    return _FIELD.sub(lambda match: values.get(match[1] or "", match[0]), text)


def near_names(name: str, allowed: Iterable[str]) -> str:
    """` (did you mean a or b?)` for an error message, or nothing."""
    near = difflib.get_close_matches(name, list(allowed), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(near)}?)" if near else ""
