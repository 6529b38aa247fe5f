"""A tokenizer's identity: equal where its ids are equal, whatever its files look like.

`save_pretrained`, which verl's checkpoints call, rewrites the files of a tokenizer whose ids stay
the same; so the digests are taken from the loaded pipeline, in a canonical form.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_STAGES = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_SPECIAL = ("bos_token_id", "eos_token_id", "unk_token_id")


def tokenizer_digest(tokenizer: PreTrainedTokenizerFast) -> str:
    """sha256 over the parts that decide ids and decoded text (see `tokenizer_parts`)."""
    return _sha256(tokenizer_parts(tokenizer))


def tokenizer_parts(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Short digests of vocabulary, merges, normalizer, pre-tokenizer, post-processor, decoder and
    added tokens, and the special ids, so that a mismatch can name the part.

    Not in it: padding, truncation, the pad token (trainers set it to the end token), versions and
    the layout of files. Merges count as pairs, written as text or as lists; an empty sequence of
    normalizers counts as none, and a switch that is off as one that is absent.
    """
    return {
        **_parts_of(tokenizer.backend_tokenizer.to_str()),
        **{name: getattr(tokenizer, name) for name in _SPECIAL},
    }


@lru_cache(maxsize=2)  # the same tokenizer is asked several times, and its text is megabytes
def _parts_of(text: str) -> dict[str, str]:
    pipeline = orjson.loads(text)
    model = pipeline["model"]
    vocabulary = model.pop("vocab")
    merges = [merge.split(" ", 1) if isinstance(merge, str) else merge for merge in model.pop("merges", [])]
    model = {key: value for key, value in model.items() if value is not None and value is not False}
    added = sorted(pipeline["added_tokens"], key=lambda token: int(token["id"]))
    parts = {"vocabulary": vocabulary, "merges": merges, "model": model, "added_tokens": added}
    parts |= {stage: _canonical(pipeline[stage]) for stage in _STAGES}
    return {name: _sha256(value)[:16] for name, value in parts.items()}


def _sha256(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _canonical(stage: Any) -> Any:
    """A sequence of nothing is nothing, and a sequence of one is that one."""
    if isinstance(stage, dict) and stage.get("type") == "Sequence":
        for key in ("normalizers", "pretokenizers", "processors", "decoders"):
            if key in stage and len(stage[key]) < 2:
                return _canonical(stage[key][0]) if stage[key] else None
    return stage
