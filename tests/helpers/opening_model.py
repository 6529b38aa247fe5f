"""SmolLM2 as it is, but under a chat template that ends a prompt with an open thinking block."""

from __future__ import annotations

from pathlib import Path

SPECIAL = {"<issue_start>": "[THINK]", "<issue_closed>": "[/THINK]"}
"""Special tokens of SmolLM2 that no text of ours needs, under the names of a thinking model's."""


def opening_model(source: Path, folder: Path, opens: str = "<think>\n") -> Path:
    """A folder with links to the model's files, a chat template that writes `opens`, and `SPECIAL`."""
    from prompts.tokens import load_tokenizer

    folder.mkdir(parents=True)
    own = ("chat_template.jinja", "tokenizer_config.json", "tokenizer.json", "prompt.lock.json")
    for path in source.iterdir():
        if path.name not in own:
            (folder / path.name).symlink_to(path)
    template = load_tokenizer(source).chat_template
    opened = f"{{%- if add_generation_prompt %}}{{{{ {opens!r} }}}}{{% endif %}}"
    (folder / "chat_template.jinja").write_text(f"{template}{opened}")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (source / name).read_text(encoding="utf-8")
        for token, other in SPECIAL.items():
            text = text.replace(f'"{token}"', f'"{other}"')
        (folder / name).write_text(text, encoding="utf-8")
    return folder
