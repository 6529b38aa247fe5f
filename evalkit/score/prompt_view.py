"""A prompt as a model reads it, for people: template, text, token ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.locks.check import verified_template
from evalkit.locks.notes import reading_notes, reading_warnings
from prompts.lock import read_lock
from prompts.lock_reading import thinking_entry
from prompts.render import render_question
from prompts.template import Template
from prompts.tokens import apply_chat, decode_verbatim, encode_text, load_tokenizer, resolve_stop_ids

QUESTION = "gsm8k-question"
"""The plainest chat template: what a model's chat template opens does not depend on the question."""


def view(
    template: Template, question: str, model: str | None, trust_remote_code: bool = False
) -> dict[str, Any]:
    """Template, messages or raw text; with a model also the text after its chat template, ids and tokens."""
    rendered = render_question(template, question)
    shown: dict[str, Any] = {
        "prompt": template.ref,
        "kind": template.kind,
        "rule": template.rule,
        "marker": template.marker,
        "description": template.description,
        "sha256": template.text_sha256,
        "released": template.released,
        "fields": list(template.fields),
        "rendered": rendered,
    }
    if model is None:
        return shown
    from evalkit.models.resolve import model_folder

    folder, _ = model_folder(model)
    tokenizer = load_tokenizer(folder, trust_remote_code)
    opens = (thinking_entry(template, tokenizer).get("thinking") or {}).get("opens")
    warnings = reading_warnings(template, tokenizer, folder, resolve_stop_ids(tokenizer, folder))
    if isinstance(rendered, str):
        text = rendered
    else:
        text = apply_chat(tokenizer, rendered, template.chat_template_kwargs).text
    ids = encode_text(tokenizer, text)
    tokens = [decode_verbatim(tokenizer, [token]) for token in ids]
    seen = {"model": model, "text": text, "token_ids": ids, "tokens": tokens, "opens": opens or None}
    notes = reading_notes(template, tokenizer)
    return {**shown, **seen, "notes": notes, "warning": "; ".join(warnings) or None}


def thinking_of(model: str, prompt: str | None, folders: Sequence[Path]) -> dict[str, Any] | None:
    """What the prompts of a model leave open and how its thinking is read; None where it opens nothing.

    The template is `prompt`, else the one of the model's lock, else a plain question.
    """
    from evalkit.models.resolve import model_folder

    folder, _ = model_folder(model)
    lock = read_lock(folder)
    ref = prompt or (lock.template if lock else QUESTION)
    template = verified_template(ref, folders, [folder], folder)
    return thinking_entry(template, load_tokenizer(folder)).get("thinking")


def as_text(shown: dict[str, Any]) -> str:
    """What `view` found, laid out for a terminal."""
    status = "released" if shown["released"] else "draft"
    lines = [
        f"{shown['prompt']}  ({shown['kind']}, {status}, sha256 {shown['sha256'][:12]})",
        shown["description"],
        f"rule: {shown['rule']}   marker: {shown['marker'] or 'none'}",
    ]
    if shown["fields"]:
        places = ", ".join(f"{{{name}}}" for name in shown["fields"])
        lines.append(f"filled by the columns of each row, here left as they are: {places}")
    lines.append("")
    if "text" in shown:
        ids = shown["token_ids"]
        pairs = " ".join(f"{token}:{text!r}" for token, text in zip(ids, shown["tokens"], strict=True))
        said = []
        if opened := shown["opens"]:
            said = [f"it opens {opened}: what follows is thinking until the model closes it", ""]
        if shown["notes"]:
            said += [*shown["notes"], ""]
        counted = f"{len(ids)} tokens for {shown['model']}:"
        return "\n".join((*lines, shown["text"], "", *said, counted, pairs))
    if isinstance(shown["rendered"], str):
        return "\n".join((*lines, shown["rendered"]))
    for message in shown["rendered"]:
        lines += [f"[{message['role']}]", message["content"], ""]
    return "\n".join(lines).rstrip()
