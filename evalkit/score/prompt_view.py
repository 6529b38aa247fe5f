"""A prompt as a model reads it, for people: template, text, token ids."""

from __future__ import annotations

from typing import Any

from evalkit.locks.check import stop_warning
from prompts.render import render_question
from prompts.template import Template
from prompts.tokens import apply_chat, decode_verbatim, encode_text, load_tokenizer, resolve_stop_ids


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
        "rendered": rendered,
    }
    if model is None:
        return shown
    from evalkit.models.resolve import model_folder

    folder, _ = model_folder(model)
    tokenizer = load_tokenizer(folder, trust_remote_code)
    warning = stop_warning(tokenizer, resolve_stop_ids(tokenizer, folder))
    if isinstance(rendered, str):
        text = rendered
    else:
        text = apply_chat(tokenizer, rendered, template.chat_template_kwargs).text
    ids = encode_text(tokenizer, text)
    tokens = [decode_verbatim(tokenizer, [token]) for token in ids]
    return {**shown, "model": model, "text": text, "token_ids": ids, "tokens": tokens, "warning": warning}


def as_text(shown: dict[str, Any]) -> str:
    """What `view` found, laid out for a terminal."""
    status = "released" if shown["released"] else "draft"
    lines = [
        f"{shown['prompt']}  ({shown['kind']}, {status}, sha256 {shown['sha256'][:12]})",
        shown["description"],
        f"rule: {shown['rule']}   marker: {shown['marker'] or 'none'}",
        "",
    ]
    if "text" in shown:
        ids = shown["token_ids"]
        pairs = " ".join(f"{token}:{text!r}" for token, text in zip(ids, shown["tokens"], strict=True))
        return "\n".join((*lines, shown["text"], "", f"{len(ids)} tokens for {shown['model']}:", pairs))
    if isinstance(shown["rendered"], str):
        return "\n".join((*lines, shown["rendered"]))
    for message in shown["rendered"]:
        lines += [f"[{message['role']}]", message["content"], ""]
    return "\n".join(lines).rstrip()
