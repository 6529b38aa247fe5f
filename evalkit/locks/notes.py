"""What a person should know of a model's prompts though nothing is refused: warnings, and what was done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompts.chat.ends import stop_warning
from prompts.errors import UserError
from prompts.files import read_json
from prompts.lock_reading import lost_thinking, probe_questions
from prompts.render import render_question
from prompts.template import Template
from prompts.tokens import FROZEN_DATE, apply_chat, encode_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def reading_warnings(
    template: Template, tokenizer: PreTrainedTokenizerFast, folder: Path, stop_ids: Sequence[int]
) -> list[str]:
    """What will probably go wrong with prompts or replies, a sentence each; none of raw prompts."""
    if template.kind != "chat":
        return []
    found = (
        stop_warning(tokenizer, stop_ids, template.chat_template_kwargs),
        _two_templates(folder),
        lost_thinking(template, tokenizer),
    )
    return [warning for warning in found if warning]


def reading_notes(template: Template, tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """What was done to a prompt so that it is the same in training and in scoring, a sentence each."""
    rendered = render_question(template, probe_questions()[0])
    if isinstance(rendered, str):
        return []
    chat = apply_chat(tokenizer, rendered, template.chat_template_kwargs)
    notes = []
    if chat.asked_date:
        notes.append(
            f"the chat template asks for today's date; it is told {FROZEN_DATE:%-d %b %Y}, always, so that "
            "prompts stay the same"
        )
    bos = tokenizer.bos_token_id
    ids = encode_text(tokenizer, chat.text)
    if bos is not None and ids[:1] == [bos] and not chat.text.startswith(str(tokenizer.bos_token)):
        notes.append(
            f"{tokenizer.bos_token} (id {bos}) was put first: the chat template leaves it out, the tokenizer "
            "puts it before every text"
        )
    return notes


def _two_templates(folder: Path) -> str | None:
    """A sentence where two files of a model folder hold different chat templates."""
    own, config = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if not own.is_file() or not config.is_file():
        return None
    try:
        held: Any = read_json(config).get("chat_template")
        text = own.read_text(encoding="utf-8")
    except (UserError, OSError, UnicodeDecodeError):
        return None  # said where the tokenizer is loaded
    if isinstance(held, list):
        named = {one.get("name"): one.get("template") for one in held if isinstance(one, dict)}
        held = named.get("default")
    if not isinstance(held, str) or held.strip() == text.strip():
        return None
    return (
        f"{folder} holds two chat templates that differ; chat_template.jinja is used, as transformers and "
        "vLLM do, not chat_template in tokenizer_config.json: remove the wrong one"
    )
