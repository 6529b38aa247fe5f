"""The options of a training run as TOML: read for --config, written as train.toml."""

from __future__ import annotations

import difflib
import json
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from prompts.errors import UserError
from prompts.files import read_toml as read_table
from trainkit.options import Options


def read_toml(path: Path) -> dict[str, Any]:
    """Options of a TOML file, under the names of the dataclass (dashes or underscores)."""
    content = read_table(path)
    kinds = get_type_hints(Options)
    values = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in kinds or name == "algorithm":
            near = difflib.get_close_matches(name, [k for k in kinds if k != "algorithm"], 1)
            hint = f"did you mean {near[0]!r}?" if near else "trainkit grpo --help lists them"
            raise UserError(f"{path}: unknown option {key!r}; {hint}")
        if name == "save_every" and type(value) is int:
            value = str(value)
        if isinstance(value, str) and list[str] in _kinds(kinds[name]):
            value = [value]
        if isinstance(value, int) and not isinstance(value, bool) and float in _kinds(kinds[name]):
            value = float(value)
        if not isinstance(value, tuple(get_origin(kind) or kind for kind in _kinds(kinds[name]))) or (
            isinstance(value, bool) and bool not in _kinds(kinds[name])
        ):
            wanted = " or ".join(getattr(k, "__name__", str(k)) for k in _kinds(kinds[name]))
            raise UserError(f"{path}: {key} is {value!r}, it takes {wanted}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise UserError(f"{path}: {key} is {value!r}, it takes a list of texts")
        values[name] = value
    return values


def _kinds(hint: Any) -> tuple[Any, ...]:
    """The types that an option takes; None is no value of its own."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(kind for kind in get_args(hint) if kind is not type(None))
    return (hint,)


def to_toml(options: Options) -> str:
    """The resolved options as TOML; `--config` reads it back to the same options."""
    lines = []
    for item in fields(options):
        value = options.as_dict()[item.name]
        if item.name == "algorithm" or value is None:
            continue
        lines.append(f"{item.name.replace('_', '-')} = {_toml_value(value)}")
    return f"# trainkit {options.algorithm} --config this-file\n" + "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        # A JSON text is a TOML text, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
