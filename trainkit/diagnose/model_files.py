"""What the doctor reads of the model's own files, which may be broken by now."""

from __future__ import annotations

from pathlib import Path

from prompts.errors import UserError
from prompts.files import read_json, require_plain


def chat_template(folder: Path) -> str | None:
    """The text of a model folder's chat template, from where transformers keeps it (new place first).

    UserError where the file cannot be read.
    """
    path = folder / "chat_template.jinja"
    if path.exists():
        require_plain(path)
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} cannot be read: {error}; restore the model's own file") from None
    if not (folder / "tokenizer_config.json").exists():
        return None
    template = read_json(folder / "tokenizer_config.json").get("chat_template")
    return template if isinstance(template, str) else None


def added_tokens(path: Path) -> set[str]:
    """The texts of the added tokens of a tokenizer.json. UserError where it cannot be read."""
    try:
        return {str(token["content"]) for token in read_json(path).get("added_tokens") or ()}
    except (TypeError, LookupError):
        raise UserError(f"{path} names its added tokens in no way that can be read; restore it") from None
