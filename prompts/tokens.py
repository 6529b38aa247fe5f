"""Prompts to token ids and back: the only caller of `apply_chat_template`, the only decoder.

Engines and the trainer get ids from here, never strings, so that none of them can add a token.
Importing this module loads neither transformers nor torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompts.chat_limits import check_length, try_template
from prompts.errors import UserError
from prompts.files import read_json
from prompts.render import Message, Rendered
from prompts.tokenizer_digest import tokenizer_digest as tokenizer_digest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FROZEN_DATE = datetime(2024, 7, 26)
"""What a chat template that asks for today's date is told (Llama 3's own fallback): a prompt that
changes at midnight can be neither compared nor trained on."""
DECODE_FLAGS = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
"""As verl decodes a response for its reward (verl 0.9.1, experimental/reward_loop); in every lock."""


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


def load_tokenizer(folder: Path | str, trust_remote_code: bool = False) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a model folder; UserError where there is none or it cannot be read."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is no model folder")
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=trust_remote_code, local_files_only=True
        )
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library beneath raises bare Exceptions, and panics on some files
        files = ("tokenizer.json", "tokenizer.model", "vocab.json")
        known = any((folder / name).exists() for name in files)
        reason = (
            (str(error).strip() or type(error).__name__).splitlines()[0]
            if known
            else f"it has none of {', '.join(files)}"
        )
        raise UserError(f"{folder} holds no tokenizer that can be loaded: {reason}") from None
    path = folder / "tokenizer.json"
    if path.is_file():
        return _as_file(tokenizer, path)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UserError(
            f"{folder} holds a slow tokenizer ({type(tokenizer).__name__}); save its fast form there "
            "(tokenizer.json), only that can be compared"
        )
    return tokenizer


_TEXTS = (
    "What is 2 + 3?",
    "  two  spaces\n\n\tx = \\boxed{5}",
    "naïve café 你好 🙂 Straße",
    "a1 b22 c333 12345.67",
)
"""Texts on which what transformers loaded is compared with tokenizer.json."""


def _as_file(tokenizer: Any, path: Path) -> PreTrainedTokenizerFast:
    """The tokenizer, if it reads texts as tokenizer.json does; else the one made from that file alone.

    Which class transformers takes follows from other files, and it may rebuild the pipeline by that class:
    LlamaTokenizerFast over a byte-level vocabulary (DeepSeek-R1-Distill-Llama, deepseek-coder) loses all
    spaces without an error, and a Mistral folder with a tekken.json beside it gets a slow one. Raises
    UserError where even the file alone is read otherwise.
    """
    from tokenizers import Tokenizer  # type: ignore[import-untyped]
    from transformers import PreTrainedTokenizerFast

    try:
        wanted = Tokenizer.from_file(str(path))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise UserError(f"{path} cannot be read as a tokenizer: {error}") from None
    wanted.no_padding()
    wanted.no_truncation()
    for one in (tokenizer, None):
        if one is None:
            one = PreTrainedTokenizerFast.from_pretrained(path.parent, local_files_only=True)
        if not isinstance(one, PreTrainedTokenizerFast):
            continue
        # a special token is one token, as tokenizer.json has it
        one.split_special_tokens = False
        special = "".join(map(str, one.all_special_tokens[:8]))
        texts = [*_TEXTS, f"{special} {special}"]
        if all(
            _plain_ids(one, t, special=False) == wanted.encode(t, add_special_tokens=False).ids for t in texts
        ):
            return one
    raise UserError(
        f"transformers reads texts otherwise than {path} does ({type(tokenizer).__name__}), so nobody could "
        "say which ids the model was trained on; bring back the tokenizer files it was published with"
    )


def encode(
    tokenizer: PreTrainedTokenizerFast, rendered: Rendered, chat_template_kwargs: Mapping[str, Any] = {}
) -> list[int]:
    """Token ids of a prompt, ready for the model's reply.

    BOS stands exactly once at the start of every tokenizer that puts one before a text, whether or
    not the chat template writes it; tokenizers that put none get none. No end token is added.
    Raises UserError where messages meet a tokenizer without chat template.
    """
    if isinstance(rendered, str):
        return encode_text(tokenizer, rendered)
    return encode_text(tokenizer, apply_chat(tokenizer, rendered, chat_template_kwargs).text)


def encode_text(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Token ids of a finished prompt text, with the rule for BOS of `encode`."""
    ids = _plain_ids(tokenizer, text, special=False)
    bos = tokenizer.bos_token_id
    if bos is None:
        return ids
    start = 0
    while start < len(ids) and ids[start] == bos:
        start += 1
    wanted = start > 0 or _plain_ids(tokenizer, "a", special=True)[:1] == [bos]
    return [bos, *ids[start:]] if wanted else ids


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
    if not tokenizer.chat_template:
        raise UserError(
            "this tokenizer has no chat template, so a chat prompt cannot be rendered; "
            "use a raw prompt, as in --prompt gsm8k-raw (`evalkit prompts list` shows the kinds)"
        )
    try_template(
        str(tokenizer.chat_template),
        lambda: max(len(_render(tokenizer, chat, chat_template_kwargs, True)) for chat in _TRIALS),
    )
    asked: list[str] = []
    token = _asked.set(asked)
    try:
        text = check_length(_render(tokenizer, messages, chat_template_kwargs, add_generation_prompt))
    finally:
        _asked.reset(token)
    for message in messages:
        if message["role"] in ("system", "user"):
            _require_shown(message, text)
    return Chat(text, bool(asked))


def _render(
    tokenizer: PreTrainedTokenizerFast,
    messages: Sequence[Message],
    kwargs: Mapping[str, Any],
    add_generation_prompt: bool,
) -> str:
    """What the chat template makes of messages. UserError where it refuses them."""
    from jinja2 import TemplateError
    from transformers.utils import chat_template_utils

    try:
        # transformers from 5.22 on hands a function of its own to the template, which would win over an
        # argument of ours; one that stands on the compiled template (transformers keeps it) wins over both.
        compiled = chat_template_utils._compile_jinja_template(tokenizer.get_chat_template())
        compiled.globals["strftime_now"] = _strftime_now
        chat = [dict(message) for message in messages]
        return str(
            tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=add_generation_prompt, **kwargs
            )
        )
    except (TemplateError, TypeError, ValueError, KeyError, ArithmeticError, RecursionError) as error:
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
    ids = {tokenizer.eos_token_id, *(found if isinstance(found, list) else [found])} - {None}
    if wrong := [value for value in ids if type(value) is not int]:
        raise UserError(f"{path}: eos_token_id holds {wrong[0]!r}; token ids are whole numbers")
    if not ids:
        raise UserError(f"neither the tokenizer nor {path} names an end token, so no reply could end")
    return tuple(sorted(ids))


def turn_end(tokenizer: PreTrainedTokenizerFast) -> tuple[int, str] | None:
    """The special token that the chat template puts after a reply, as id and text; None where it puts none.

    A model that was taught to end its turns so, and whose stop ids lack this one, runs on to the limit.
    """
    reply = "\u241freply\u241f"
    messages = [Message(role="user", content="a"), Message(role="assistant", content=reply)]
    try:
        text = apply_chat(tokenizer, messages, add_generation_prompt=False).text
    except UserError:
        return None
    _, found, after = text.rpartition(reply)
    ids = _plain_ids(tokenizer, after.lstrip(), special=False) if found else []
    if not ids or ids[0] not in tokenizer.added_tokens_decoder:
        return None
    return ids[0], decode_verbatim(tokenizer, ids[:1])


def _plain_ids(tokenizer: PreTrainedTokenizerFast, text: str, *, special: bool) -> list[int]:
    """Ids of a text; the call sets padding and truncation off, whatever the tokenizer was saved with."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"a prompt holds a lone surrogate ({text[error.start]!r}, half a character) and has no tokens; "
            f"mend the row: it follows {text[max(0, error.start - 30) : error.start]!r}"
        ) from None
    ids: list[int] = tokenizer(
        text, add_special_tokens=special, padding=False, truncation=False, verbose=False
    )["input_ids"]
    return ids
