"""Proof that the prompts are ours: ids seen by vLLM's engine and by verl's batch against `encode`.

The agent loop that sends the ids is not asked. `trainkit.plugins.token_capture` notes what vLLM's engine
admits, `trainkit.plugins.replay_buffer` what stands in verl's first validation and training batches; both are
compared here with the ids of the run's parquet, encoded again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from prompts.errors import Failed, Mismatch
from prompts.lock import Lock, ids_sha256, read_lock
from prompts.render import from_messages
from prompts.tokens import decode_verbatim, encode, load_tokenizer
from trainkit.data.parquet import TRAIN_FILE, VALIDATION_FILE
from trainkit.runs.job import Job

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Ids = tuple[int, ...]


@dataclass(frozen=True)
class TokenCheck:
    """How many prompts were compared; none differed, or the check raised."""

    batch: int
    engine: int

    def sentence(self) -> str:
        return (
            f"tokens: {self.batch} prompts in verl's batches and {self.engine} admitted by vLLM's engine "
            "are, id by id, those of prompts.tokens.encode"
        )


def check_tokens(run: Path, job: Job) -> TokenCheck:
    """Compare what was captured at steps 0 and 1.

    Those ids are held against the run's prompt lock first, which has a hash of every row's. Raises Mismatch
    with the first differing token of the first row that differs, Failed where too little was captured to
    prove anything.
    """
    tokenizer = load_tokenizer(job.model_folder, job.trust_remote_code)
    expected = {
        (row.get("data_source"), row["extra_info"]["id"]): tuple(_encode(tokenizer, row, job))
        for name in (TRAIN_FILE, VALIDATION_FILE)
        for row in _rows(run / name)
    }
    locks = (read_lock(run), read_lock(run / VALIDATION_FILE))
    _hold_against([lock for lock in locks if lock is not None], expected, tokenizer)
    by_id: dict[str, set[Ids]] = {}
    for (_, row_id), ids in expected.items():
        by_id.setdefault(row_id, set()).add(ids)  # of one task, unless sets to validate on share rows
    batch = list(_lines(run / "tokens_batch.jsonl"))
    for line in batch:
        got = tuple(line["ids"])
        wanted = got if got in by_id[line["id"]] else next(iter(by_id[line["id"]]))
        if got != wanted or not line["inputs_agree"]:
            raise _mismatch(tokenizer, f"row {line['id']} in verl's {line['partition']} batch", wanted, got)
    # The engine does not know rows: what it admitted first must be the same prompts, as often.
    engine = [tuple(line["ids"]) for path in sorted(run.glob("tokens_vllm*.jsonl")) for line in _lines(path)]
    known = set(expected.values())
    for got in engine:
        if got not in known:
            raise _mismatch(tokenizer, "a prompt admitted by vLLM", _nearest(got, known), got)
    missing = Counter(tuple(line["ids"]) for line in batch) - Counter(engine)
    if not batch or len(engine) < len(batch):
        raise Failed(
            f"{len(batch)} prompts of verl's batches and {len(engine)} that vLLM's engine admitted were "
            f"noted in {run}: too few to prove that they are those of prompts.tokens.encode (is the folder "
            "on a disk that all nodes share? Did vLLM load the plug-in trainkit_tokens? See verl.log)"
        )
    if missing:
        raise _mismatch(tokenizer, "a prompt of verl's batch that vLLM never saw", next(iter(missing)), ())
    return TokenCheck(len(batch), len(engine))


def _hold_against(
    locks: Sequence[Lock], rows: Mapping[tuple[Any, str], Ids], tokenizer: PreTrainedTokenizerFast
) -> None:
    """Mismatch where a row's ids are none that the locks of training and validation have under its id."""
    known: dict[str, set[str]] = {}
    for lock in locks:
        for row_id, digest in lock.data["prompts"].items():
            known.setdefault(row_id, set()).add(digest)
    now: dict[str, dict[str, Ids]] = {}
    for (_, row_id), ids in rows.items():  # rows of two tasks may share an id; the lock has the first one's
        now.setdefault(row_id, {})[ids_sha256(ids)] = ids
    for row_id, found in now.items():
        if known and not set(found) & known.get(row_id, set()):
            raise Mismatch(
                f"the prompt of row {row_id} is not the one that the run's prompt lock names: parquet, "
                "tokenizer or chat template changed since it was prepared; bring them back and start again",
                f"  it is now {decode_verbatim(tokenizer, next(iter(found.values())))!r}",
            )


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    return list(table.to_pylist())


def _encode(tokenizer: PreTrainedTokenizerFast, row: dict[str, Any], job: Job) -> list[int]:
    part = job.part(row.get("data_source", ""))
    return encode(tokenizer, from_messages(row["prompt"], part.raw_prompts), part.chat_template_kwargs)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open("rb") as file:
            yield from map(orjson.loads, file)


def _nearest(got: Ids, known: set[Ids]) -> Ids:
    """The known prompt that shares the longest start with one that is unknown."""
    return max(known, key=lambda ids: _first_difference(ids, got))


def _first_difference(left: Sequence[int], right: Sequence[int]) -> int:
    for position, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return position
    return min(len(left), len(right))


def _mismatch(tokenizer: Any, what: str, wanted: Ids, got: Ids) -> Mismatch:
    at = _first_difference(wanted, got)
    near = slice(max(0, at - 4), at + 5)
    return Mismatch(
        f"{what} differs from prompts.tokens.encode at token {at}",
        f"  encode gives {list(wanted[near])} {decode_verbatim(tokenizer, wanted[near])!r}\n"
        f"  captured was {list(got[near])} {decode_verbatim(tokenizer, got[near])!r}",
    )
