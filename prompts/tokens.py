"""Prompts to token ids and back: the only caller of `apply_chat_template`, the only decoder.

Engines and the trainer get ids from here, never strings, so that none of them can add a token.
Importing this module loads neither transformers nor torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompts.chat_limits import check_length, limited, try_template
from prompts.errors import UserError
from prompts.files import read_json
from prompts.render import Message, Rendered
from prompts.tokenizer.digest import tokenizer_digest as tokenizer_digest
from prompts.tokenizer.load import ids_of_all, plain_ids
from prompts.tokenizer.load import load_tokenizer as load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FROZEN_DATE = datetime(2024, 7, 26)
"""What a chat template that asks for today's date is told (Llama 3's own fallback): a prompt that
changes at midnight can be neither compared nor trained on."""
DECODE_FLAGS = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
"""As verl decodes a response for its reward (verl 0.9.1, experimental/reward_loop); in every lock."""
_AT_ONCE = 256
"""Prompts in one call of the tokenizer."""


_asked: ContextVar[list[str]] = ContextVar("asked for the date", default=[])  # noqa: B039
_TRIALS: list[list[Message]] = [
    [Message(role="user", content="What is 2 + 3?")],
    [Message(role="user", content="word " * 2000)],
]


@dataclass(frozen=True)
class Chat:
    """The text that a chat template made; `asked_date` tells whether it called `strftime_now`."""

    text: str
    asked_date: bool


def encode(
    tokenizer: PreTrainedTokenizerFast, rendered: Rendered, chat_template_kwargs: Mapping[str, Any] = {}
) -> list[int]:
    """Token ids of a prompt, ready for the model's reply.

    BOS stands exactly once at the start of every tokenizer that puts one before a text, whether or
    not the chat template writes it; tokenizers that put none get none. No end token is added.
    Raises UserError where messages meet a tokenizer without chat template.
    """
    return list(next(encode_all(tokenizer, [rendered], chat_template_kwargs)))


def encode_all(
    tokenizer: PreTrainedTokenizerFast,
    rendered: Iterable[Rendered],
    chat_template_kwargs: Mapping[str, Any] = {},
) -> Iterator[tuple[int, ...]]:
    """As `encode`, of many prompts in their order; the tokenizer is called once for `_AT_ONCE` of them.

    An id is one object in all of them, a third of the memory.
    """
    once, left = _Once(), iter(rendered)
    while prompts := list(islice(left, _AT_ONCE)):
        texts = [
            prompt if isinstance(prompt, str) else apply_chat(tokenizer, prompt, chat_template_kwargs).text
            for prompt in prompts
        ]
        for ids in _encode_texts(tokenizer, texts):
            yield tuple(map(once.__getitem__, ids))


class _Once(dict[int, int]):
    """Every key is its own value, the object that was asked for first."""

    def __missing__(self, token: int) -> int:
        self[token] = token
        return token


def encode_text(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Token ids of a finished prompt text, with the rule for BOS of `encode`."""
    return _encode_texts(tokenizer, [text])[0]


def _encode_texts(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[list[int]]:
    every = ids_of_all(tokenizer, texts, special=False)
    bos = tokenizer.bos_token_id
    if bos is None:
        return every
    puts_bos = None  # whether the tokenizer puts one before a text: asked where a prompt has none
    for at, ids in enumerate(every):
        start = 0
        while start < len(ids) and ids[start] == bos:
            start += 1
        if start == 0 and puts_bos is None:
            puts_bos = plain_ids(tokenizer, "a", special=True)[:1] == [bos]
        if start > 0 or puts_bos:
            every[at] = [bos, *ids[start:]]
    return every


def apply_chat(
    tokenizer: PreTrainedTokenizerFast,
    messages: Sequence[Message],
    chat_template_kwargs: Mapping[str, Any] = {},
    add_generation_prompt: bool = True,
) -> Chat:
    """The text that the chat template makes of messages, under a frozen date.

    Raises UserError where there is no chat template, it refuses the messages, runs away, or makes a
    text in which a message of the system or the user does not stand.
    """
    try_template(
        chosen_template(tokenizer, chat_template_kwargs),
        lambda: max(len(_render(tokenizer, chat, chat_template_kwargs, True)) for chat in _TRIALS),
    )
    asked: list[str] = []
    token = _asked.set(asked)
    try:
        with limited():
            text = check_length(_render(tokenizer, messages, chat_template_kwargs, add_generation_prompt))
    finally:
        _asked.reset(token)
    for message in messages:
        if message["role"] in ("system", "user"):
            _require_shown(message, text)
    return Chat(text, bool(asked))


def chosen_template(tokenizer: PreTrainedTokenizerFast, kwargs: Mapping[str, Any] = {}) -> str:
    """The text of the chat template that is used: the model's only one, its default, or the one named.

    A model may bring several (tokenizer_config.json, additional_chat_templates/); a prompt template names
    one by `chat_template_kwargs = { chat_template = "NAME" }`. UserError where there is none, or no such.
    """
    held: Any = tokenizer.chat_template
    if not held:
        raise UserError(
            "this tokenizer has no chat template, so a chat prompt cannot be rendered; "
            "use a raw prompt, as in --prompt gsm8k-raw (`evalkit prompts list` shows the kinds)"
        )
    named = {str(name): str(text) for name, text in held.items()} if isinstance(held, Mapping) else {}
    name = kwargs.get("chat_template", "default")
    if not named and "chat_template" not in kwargs:
        return str(held)
    if name in named:
        return named[name]
    fix = "leave chat_template out of chat_template_kwargs"
    if named:
        fix = f'name one in a prompt of your own: chat_template_kwargs = {{ chat_template = "{min(named)}" }}'
    raise UserError(
        f"the model has no chat template named {name!r}; it has {', '.join(named) or 'one without a name'}; "
        f"{fix}"
    )


def _render(
    tokenizer: PreTrainedTokenizerFast,
    messages: Sequence[Message],
    kwargs: Mapping[str, Any],
    add_generation_prompt: bool,
) -> str:
    """What the chat template makes of messages. UserError where it refuses them."""
    from transformers.utils import chat_template_utils

    try:
        # transformers from 5.22 on hands a function of its own to the template, which would win over an
        # argument of ours; one that stands on the compiled template (transformers keeps it) wins over both.
        compiled = chat_template_utils._compile_jinja_template(chosen_template(tokenizer, kwargs))
        compiled.globals["strftime_now"] = _strftime_now
        chat = [dict(message) for message in messages]
        return str(
            tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=add_generation_prompt, **kwargs
            )
        )
    except (UserError, MemoryError):
        raise
    except Exception as error:  # somebody's program: it may raise anything
        reason = str(error).strip() or type(error).__name__
        system = any(message["role"] == "system" for message in messages)
        fix = (
            "; if it knows no system message, put its text into `user` of a template of your own: "
            "evalkit prompts new NAME --from PROMPT"
        )
        raise UserError(f"the chat template refuses the prompt: {reason}{fix if system else ''}") from None


def _strftime_now(form: str) -> str:
    _asked.get().append(form)
    return FROZEN_DATE.strftime(form)


def _require_shown(message: Message, text: str) -> None:
    """UserError where a message is no text, or the prompt does not hold it; spaces may be put otherwise."""
    content: Any = message["content"]
    if not isinstance(content, str):
        raise UserError(
            f"a {message['role']} message is {type(content).__name__}, not text; images and other parts of "
            "messages cannot be sent; leave such rows out"
        )
    if content.strip() in text or " ".join(content.split()) in " ".join(text.split()):
        return
    raise UserError(
        f"the chat template does not show the {message['role']} message {content.strip()[:60]!r}: the model "
        "would not read it (such a template may want a list of parts, or drop that role); use one that takes "
        "messages as text, or a prompt without that message (`evalkit prompts list`)"
    )


def decode(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int]) -> str:
    """The text of a completion, as the trainer's reward reads it too.

    What `tokenizer.decode(ids, **DECODE_FLAGS)` gives, in half the time: that method first looks at
    the type of every id. The tokenizer beneath it never cleans up spaces.
    """
    skip = DECODE_FLAGS["skip_special_tokens"]
    return str(tokenizer.backend_tokenizer.decode(list(ids), skip_special_tokens=skip))


def decode_verbatim(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int]) -> str:
    """The text of ids with their special tokens, for people to look at."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def resolve_stop_ids(tokenizer: PreTrainedTokenizerFast, model_folder: Path | str) -> tuple[int, ...]:
    """Ids that end a reply: the tokenizer's end token and those of generation_config.json, sorted."""
    path = Path(model_folder) / "generation_config.json"
    found: Any = None
    if path.exists():
        found = read_json(path).get("eos_token_id")
    named = [value for value in (found if isinstance(found, list) else [found]) if value is not None]
    if wrong := [value for value in named if type(value) is not int or value < 0]:
        raise UserError(f"{path}: eos_token_id holds {wrong[0]!r}; token ids are whole numbers")
    ids = {tokenizer.eos_token_id, *named} - {None}
    if not ids:
        raise UserError(f"neither the tokenizer nor {path} names an end token, so no reply could end")
    return tuple(sorted(ids))
