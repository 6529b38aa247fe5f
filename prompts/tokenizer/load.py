"""The fast tokenizer of a model folder, held against its tokenizer.json.

Importing this module loads neither transformers nor torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompts.errors import UserError
from prompts.tokenizer.files import require_own_files

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def load_tokenizer(folder: Path | str, trust_remote_code: bool = False) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a model folder; UserError where there is none or it cannot be read."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is no model folder")
    require_own_files(folder)
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
            _first_sentence(str(error).strip() or type(error).__name__)
            if known
            else f"it has none of {', '.join(files)}"
        )
        raise UserError(f"{folder} holds no tokenizer that can be loaded: {reason}") from None
    if not isinstance(longest := tokenizer.model_max_length, int | float):  # compared at every call
        raise UserError(
            f"{folder}/tokenizer_config.json: model_max_length is {longest!r}, not a number; correct it there"
        )
    path = folder / "tokenizer.json"
    if path.is_file():
        return _as_file(tokenizer, path)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UserError(
            f"{folder} holds a slow tokenizer ({type(tokenizer).__name__}); save its fast form there "
            "(tokenizer.json), only that can be compared"
        )
    return tokenizer


def _first_sentence(text: str) -> str:
    """The first line, with the next where it only announces it ("Validation error for field 'x':")."""
    lines = [line.strip() for line in text.splitlines()]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


_TEXTS = (
    "What is 2 + 3?",
    "  two  spaces\n\n\tx = \\boxed{5}",
    "naïve café 你好 🙂 Straße",
    "a1 b22 c333 12345.67",
    "\ufb01n \u2460 A\u030a \u00bd \uff11\uff12 cafe\u0301",
    "don't I'LL  they've\r\n  indented\t\ttabs",
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
        if _flags(one.backend_tokenizer) == _flags(wanted) and all(
            _reads_alike(one, wanted, text) for text in texts
        ):
            return one
    raise UserError(
        f"transformers reads texts otherwise than {path} does ({type(tokenizer).__name__}), so nobody could "
        "say which ids the model was trained on; bring back the tokenizer files it was published with"
    )


def _reads_alike(tokenizer: PreTrainedTokenizerFast, wanted: Any, text: str) -> bool:
    """Whether a text gets the same ids from both, and the ids the same text."""
    ids = plain_ids(tokenizer, text, special=False)
    back = tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=False)
    same = ids == wanted.encode(text, add_special_tokens=False).ids
    return same and bool(back == wanted.decode(ids, skip_special_tokens=False))


def _flags(tokenizer: Any) -> dict[str, Any]:
    """The switches of the model that looks up ids, those that are off left out."""
    held = vars(type(tokenizer.model))
    names = [name for name, value in held.items() if not name.startswith("_") and not callable(value)]
    values = {name: getattr(tokenizer.model, name) for name in names}
    return {name: value for name, value in values.items() if value and isinstance(value, bool | str | float)}


def plain_ids(tokenizer: PreTrainedTokenizerFast, text: str, *, special: bool) -> list[int]:
    """Ids of a text, as `ids_of_all` has them."""
    return ids_of_all(tokenizer, [text], special=special)[0]


def ids_of_all(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], *, special: bool) -> list[list[int]]:
    """Ids of texts, a list each; padding and truncation are off, whatever the tokenizer was saved with.

    The one call of a tokenizer: many texts in it take less time than a call for each. Raises UserError
    where a text holds half a character.
    """
    for text in texts:
        _require_whole(text)
    ids: list[list[int]] = tokenizer(
        list(texts),
        add_special_tokens=special,
        padding=False,
        truncation=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    return ids


def _require_whole(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"a prompt holds a lone surrogate ({text[error.start]!r}, half a character) and has no tokens; "
            f"mend the row: it follows {text[max(0, error.start - 30) : error.start]!r}"
        ) from None
