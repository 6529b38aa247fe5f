"""The files that a tokenizer is read from are plain ones of its own folder.

transformers opens what `tokenizer_config.json` names, wherever it lies: ids would come from a file that
is not the model's, and differ on the next machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prompts.errors import UserError
from prompts.files import read_json, require_plain

NAMING = ("tokenizer_config.json", "special_tokens_map.json")
OPENED = (
    "tokenizer_file",
    "fast_tokenizer_files",
    "vocab_file",
    "merges_file",
    "spm_file",
    "source_spm",
    "target_spm",
    "gguf_file",
    "vocab",
    "merges",
)
"""Keys whose value transformers 5 opens as a file, if there is one of that name.

Others that name files (`special_tokens_map_file`, `name_or_path`) are left over and are not read.
"""
SUFFIXES = (".json", ".jinja", ".model", ".txt")
"""Of the files that are read by libraries, which would wait for a pipe."""


def require_own_files(folder: Path) -> None:
    """UserError where a file of the tokenizer is a pipe, a device or a link to nothing, or lies elsewhere.

    A link may lead anywhere, as those in the hub's cache do. A name of nothing that is here is a leftover.
    """
    for path in sorted((*folder.glob("*.*"), *folder.glob("additional_chat_templates/*"))):
        if path.suffix in SUFFIXES:
            require_plain(path)
            if path.is_symlink() and not path.exists():
                raise UserError(f"{path} is a link to nothing; bring back the file that it led to")
    for name in NAMING:
        if not (folder / name).is_file():
            continue
        held = read_json(folder / name)
        for key in OPENED:
            for value in _texts(held.get(key)):
                if _is_elsewhere(folder, value):
                    raise UserError(
                        f"{folder / name}: {key} is {value!r}, a file that is not in the model's folder; "
                        f"take {key} out there, and put the file beside it if the tokenizer needs it"
                    )


def _texts(value: Any) -> Iterator[str]:
    yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _is_elsewhere(folder: Path, value: str) -> bool:
    """Whether a name leads to something outside the folder, seen from there or from the current folder."""
    try:
        found = [path for path in (Path(value), folder / value) if path.exists() and not path.is_dir()]
    except (OSError, ValueError):  # no name that a file could have
        return False
    own = os.path.abspath(folder)
    return any(os.path.dirname(os.path.abspath(path)) != own for path in found)
