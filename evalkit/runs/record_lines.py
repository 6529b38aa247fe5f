"""records.jsonl read as strictly as it is written: types, doubles, foreign ids, counts.

Every reader of records comes through here: `iter_records` for whole records, `iter_blocks` for
those that build columns of their own (`evalkit.compare.columns`), `check_sorted` for both.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from evalkit.records import OUTCOMES, Record
from evalkit.runs.manifest import Manifest
from prompts.errors import UserError
from prompts.lock import Lock

FILE_NAME = "records.jsonl"
CODE: dict[str, int] = {name: code for code, name in enumerate(OUTCOMES)}
"""Outcomes as numbers: their positions in `evalkit.records.OUTCOMES`."""
_CHUNK = 1 << 17
LONGEST_LINE = 1 << 26
"""Bytes of a record at most: a packed file may unpack to any size."""
_CHANGED = "the file was cut or edited"


def open_records(folder: Path) -> IO[bytes]:
    """The run's records.jsonl, gzipped or not, as a binary file. Raises UserError where there is none."""
    plain, zipped = folder / FILE_NAME, folder / f"{FILE_NAME}.gz"
    try:
        for path in (plain, zipped):
            if path.exists() and not path.is_file():
                raise UserError(f"{path} is no plain file")
        if plain.exists():
            return plain.open("rb")
        if zipped.exists():
            return gzip.open(zipped, "rb")  # type: ignore[return-value]
    except OSError as error:
        raise UserError(f"{folder}/{FILE_NAME} cannot be read: {error.strerror}") from None
    raise UserError(f"{folder} has no {FILE_NAME}")


@dataclass(frozen=True)
class Block:
    """Some records in the order of the file; `starts` holds the place of each line in the unpacked file."""

    records: list[Record]
    starts: NDArray[np.int64]


def iter_blocks(folder: Path, manifest: Manifest) -> Iterator[Block]:
    """Yield the records of a run, some thousand at a time: memory does not grow with the file.

    Raises UserError where a line is no record, has a value of a wrong type, or cannot be unpacked; the
    number of the line is named.
    """
    decoder = msgspec.json.Decoder(Record)
    number, place, rest = 1, 0, b""

    def refuse(line: int, error: Exception) -> NoReturn:
        where = f"{folder.name}/{FILE_NAME} line {line}"
        raise UserError(f"{where} cannot be read ({error}); {_fix(manifest)}") from None

    with open_records(folder) as file:
        while True:
            try:
                chunk = file.read(_CHUNK)
            except (EOFError, OSError, zlib.error) as error:
                refuse(number + rest.count(b"\n"), error)
            if len(rest) > LONGEST_LINE:
                refuse(number, ValueError(f"it is longer than {LONGEST_LINE:,} bytes"))
            text, newline, rest = (rest + chunk).rpartition(b"\n") if chunk else (rest, b"", b"")
            if text:
                starts = _starts(text)
                try:
                    records = decoder.decode_lines(text)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    refuse(number + _first_bad(decoder, text), error)
                if len(records) != len(starts):
                    refuse(number + _first_bad(decoder, text), ValueError("it is empty"))
                yield Block(records, starts + place)
                number, place = number + len(records), place + len(text) + len(newline)
            if not chunk:
                return


def _starts(text: bytes) -> NDArray[np.int64]:
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n"))
    return np.concatenate([[0], ends + 1])


def _first_bad(decoder: msgspec.json.Decoder[Record], text: bytes) -> int:
    """How many lines come before the first one that is no record."""
    for place, line in enumerate(text.split(b"\n")):
        try:
            decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return place
    return 0


def iter_records(folder: Path, manifest: Manifest) -> Iterator[Record]:
    """Yield the records of a run in the order in which they were written. Raises as `iter_blocks`."""
    for block in iter_blocks(folder, manifest):
        yield from block.records


def unknown_keys(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """By id and sample, what the records of a run hold under keys that this version does not know.

    For a run whose records were read before: nothing is checked again.
    """
    known = set(Record.__struct_fields__)
    found = {}
    with open_records(folder) as file:
        for line in file:
            record = orjson.loads(line)
            if not record.keys() <= known:
                more = {key: value for key, value in record.items() if key not in known}
                found[record["id"], record["sample"]] = more
    return found


def check_sorted(
    name: str,
    manifest: Manifest,
    lock: Lock,
    order: NDArray[np.int64],
    ids: NDArray[np.bytes_],
    samples: NDArray[np.integer[Any]],
    outcomes: NDArray[np.uint8],
) -> None:
    """Check the records of a run, given as columns sorted by id and sample; `order` holds their places in
    the file.

    `outcomes` holds positions in `OUTCOMES`. Raises UserError, with the number of the line where there is
    one, where a sample of a question stands there twice, is none that the run draws, or belongs to a
    question that the lock does not hold; and where a complete run has other counts than its manifest says.
    """

    def refuse(where: NDArray[np.bool_], what: str) -> NoReturn:
        first = int(np.flatnonzero(where)[0])
        which = f"sample {samples[first]} of {ids[first].decode()}"
        line = int(order[first]) + 1
        raise UserError(f"{name}/{FILE_NAME} line {line} {what.format(which)}: {_CHANGED}; {_fix(manifest)}")

    twice = np.zeros(len(ids), dtype=np.bool_)
    twice[1:] = (ids[1:] == ids[:-1]) & (samples[1:] == samples[:-1])
    if twice.any():
        refuse(twice, "holds {} a second time, it stands there twice")
    none = (samples < 0) | (samples >= manifest.sampling.samples)
    if none.any():
        refuse(none, f"holds {{}}, the run draws {manifest.sampling.samples} a question")
    foreign = _foreign(manifest, lock, ids)
    if foreign is not None:
        refuse(foreign, "holds {}, a question that is not in the run's lock")
    if manifest.status != "running":
        _check_counts(name, manifest, outcomes)


def known_ids(manifest: Manifest, lock: Lock) -> dict[str, Any] | None:
    """The row ids of a run, from its lock; None where the lock does not list the run's rows."""
    prompts = lock.data.get("prompts")
    return prompts if isinstance(prompts, dict) and len(prompts) == manifest.rows else None


def _foreign(manifest: Manifest, lock: Lock, ids: NDArray[np.bytes_]) -> NDArray[np.bool_] | None:
    """Which of the sorted ids are not in the lock; None where all are, or the lock does not list them."""
    known = known_ids(manifest, lock)
    if known is None or len(ids) == 0:
        return None
    wanted = np.array([row_id.encode() for row_id in known])
    wanted.sort()
    if np.array_equal(wanted, ids):
        return None
    at = np.minimum(np.searchsorted(wanted, ids), len(wanted) - 1)
    foreign: NDArray[np.bool_] = wanted[at] != ids
    return foreign if foreign.any() else None


def _check_counts(name: str, manifest: Manifest, outcomes: NDArray[np.uint8]) -> None:
    found = np.bincount(outcomes, minlength=len(OUTCOMES))
    said = manifest.counts
    expected = {manifest.completions, sum(said.values()) if said is not None else None} - {None}
    for wanted in expected:
        if len(outcomes) != wanted:
            raise UserError(
                f"{name} holds {len(outcomes):,} records, its manifest says {wanted:,}: "
                f"{_CHANGED}; {_fix(manifest)}"
            )
    for outcome, wanted in (said or {}).items():
        if found[CODE[outcome]] != wanted:
            raise UserError(
                f"{name} holds {found[CODE[outcome]]:,} records that are {outcome}, its manifest says "
                f"{wanted:,}: {_CHANGED}; {_fix(manifest)}"
            )


def _fix(manifest: Manifest) -> str:
    if manifest.status == "running":
        return f"a run that was cut off is resumed by the same command: {manifest.command}"
    return f"score it again: {manifest.command}"
