"""A checkpoint keeps the tokenizer files of the model that training started from, byte for byte.

verl saves a tokenizer by `save_pretrained`, which writes what the loaded class makes of the files: some ids
change on the way (`legacy: true`), and a chat template moves to another file.
"""

from __future__ import annotations

import shutil
from pathlib import Path

WHOLE = ("tokenizer.json", "tokenizer.model", "vocab.json")
"""A folder with none of these holds no tokenizer."""
FILES = (
    *WHOLE,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
FOLDER = "additional_chat_templates"


def keep_base_tokenizer(base: Path, saved: Path) -> None:
    """Put the tokenizer files of `base` in the place of those in `saved` (a checkpoint's huggingface folder).

    Nothing is done where the base is gone, or has no tokenizer. tokenizer_config.json stays where only
    `saved` has one.
    """
    if not saved.is_dir() or not any((base / name).is_file() for name in WHOLE):
        return
    for name in FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, saved / name)
        elif name != "tokenizer_config.json":
            (saved / name).unlink(missing_ok=True)
    shutil.rmtree(saved / FOLDER, ignore_errors=True)
    if (base / FOLDER).is_dir():
        shutil.copytree(base / FOLDER, saved / FOLDER)
