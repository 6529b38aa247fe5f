"""Token ids of a completion to what is read: its text, its special tokens, and how much of it was thinking.

The one function that evaluation and the reward in training both call.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from prompts.reading.thinking import Thinking, divide_by
from prompts.tokens import decode, decode_verbatim

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Decoded:
    """A completion as text. `text` is what people see, without special tokens.

    `markers` are its special tokens with their places in `text` (characters), None where the lock
    does not ask for them. `thinking_tokens` counts the tokens up to the end of the last thinking block
    (all of them where one was never closed), None where there is no sign of thinking.
    """

    text: str
    markers: tuple[tuple[int, str], ...] | None = None
    thinking_tokens: int | None = None


def decode_completion(
    tokenizer: PreTrainedTokenizerFast, ids: Sequence[int], thinking: Mapping[str, Any] | None = None
) -> Decoded:
    """Decode the ids of a completion; `thinking` is that entry of the lock's `reading`, None without one."""
    text = decode(tokenizer, ids)
    special = bool(thinking and thinking.get("special"))
    markers = special_tokens(tokenizer, ids, text) if special else None
    division = divide_by(thinking, text, markers)
    return Decoded(text, markers, _thinking_tokens(tokenizer, ids, division, special, thinking is not None))


def special_tokens(
    tokenizer: PreTrainedTokenizerFast, ids: Sequence[int], text: str
) -> tuple[tuple[int, str], ...]:
    """The special tokens among `ids`, each with its place in `text` (their decoding without them)."""
    known = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    found: list[tuple[int, str]] = []
    length, parts = 0, []
    for is_special, run in groupby(ids, known.__contains__):
        part = list(run)
        if is_special:
            found += [(length, known[number]) for number in part]
        else:
            parts.append(decode(tokenizer, part))
            length += len(parts[-1])
    if "".join(parts) == text:
        return tuple(found)
    # A decoder that looks across tokens (spaces of SentencePiece): the length of each beginning.
    places = [at for at, number in enumerate(ids) if number in known]
    return tuple((min(len(text), len(decode(tokenizer, ids[:at]))), known[ids[at]]) for at in places)


def _thinking_tokens(
    tokenizer: PreTrainedTokenizerFast, ids: Sequence[int], division: Thinking, special: bool, locked: bool
) -> int | None:
    if division.unfinished:
        return len(ids)
    if not division.closed:
        return 0 if locked else None
    read = decode_verbatim if special else decode
    counts = range(len(ids) + 1)
    return bisect_left(counts, division.closed, key=lambda count: len(read(tokenizer, ids[:count])))
