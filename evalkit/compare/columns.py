"""What a comparison needs of a run's records, as columns: fast for a million rows, and small.

Texts stay on disk; `read_texts` fetches those of a few records by their place in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from evalkit.extract.numbers import canonical
from evalkit.records import Record
from evalkit.runs.folder import Run
from evalkit.runs.record_lines import CODE, check_sorted, iter_blocks, open_records
from prompts.errors import UserError

CORRECT, WRONG, NO_ANSWER, UNSCORED = (CODE[name] for name in ("correct", "wrong", "no_answer", "unscored"))


@dataclass(frozen=True)
class RunColumns:
    """The records of one run as columns of equal length, sorted by id and sample.

    `outcome` and `lenient` hold positions in `evalkit.records.OUTCOMES`; `tokens` counts completion
    tokens; `answer` numbers the distinct extracted answers of the run (-1 where none was found, equal
    for two ways to write a number; even for numbers, odd for all else); `offset` is where each line
    starts in the (uncompressed) file.
    """

    ids: NDArray[np.bytes_]
    sample: NDArray[np.int32]
    outcome: NDArray[np.uint8]
    lenient: NDArray[np.uint8]
    tokens: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    answer: NDArray[np.int32]
    offset: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, where: NDArray[Any] | slice) -> RunColumns:
        """The records at these places (positions, a mask or a slice)."""
        return RunColumns(*(getattr(self, column.name)[where] for column in fields(self)))


def load_columns(run: Run, answers: AnswerClasses | None = None) -> RunColumns:
    """Read a complete run. `answers` numbers answers alike in several runs.

    Raises UserError where the run is not complete, holds no record, or holds others than its manifest and
    lock say (`evalkit.runs.record_lines.check_sorted`; the line is named), Mismatch for an edited lock.
    """
    if not run.complete:
        raise UserError(f"{run.name} {run.manifest.unfinished}")
    blocks = list(_read_blocks(run, answers or AnswerClasses()))
    if not blocks:
        raise UserError(f"{run.name} holds no record, there is nothing to compare")
    parts = list(zip(*blocks, strict=True))
    del blocks
    # One column after the other, so that none of them is held twice but the one at work.
    arrays = [np.concatenate(parts.pop(0)) for _ in fields(RunColumns)]
    order = np.lexsort((arrays[1], arrays[0]))  # by id, then by sample
    for place in range(len(arrays)):
        arrays[place] = arrays[place][order]
    columns = RunColumns(*arrays)
    check_sorted(run.name, run.manifest, run.lock, order, columns.ids, columns.sample, columns.outcome)
    return columns


_GATHERED = 1 << 16
"""Records in an array while the file is read: small arrays would break the memory into pieces."""


def _read_blocks(run: Run, answer_class: AnswerClasses) -> Iterator[tuple[NDArray[Any], ...]]:
    """The columns of `RunColumns` in file order, some ten thousand records at a time."""
    blocks: list[tuple[NDArray[Any], ...]] = []
    count = 0
    for block in _read_small(run, answer_class):
        blocks.append(block)
        count += len(block[0])
        if count >= _GATHERED:
            yield tuple(map(np.concatenate, zip(*blocks, strict=True)))
            blocks, count = [], 0
    if blocks:
        yield tuple(map(np.concatenate, zip(*blocks, strict=True)))


def _read_small(run: Run, answer_class: AnswerClasses) -> Iterator[tuple[NDArray[Any], ...]]:
    for block in iter_blocks(run.folder, run.manifest):
        records = block.records
        yield (
            np.array([record.id.encode() for record in records], dtype=np.bytes_),
            np.array([record.sample for record in records], dtype=np.int32),
            np.array([CODE[record.outcome] for record in records], dtype=np.uint8),
            np.array([CODE[record.lenient_outcome] for record in records], dtype=np.uint8),
            np.array([record.completion_tokens for record in records], dtype=np.int32),
            np.array([record.truncated for record in records], dtype=np.bool_),
            np.array([answer_class[record.extraction.answer] for record in records], dtype=np.int32),
            block.starts,
        )


class AnswerClasses(dict[str | None, int]):
    """Numbers for answers, equal for those that mean the same number or differ in case only; None is -1."""

    def __init__(self) -> None:
        super().__init__({None: -1})
        self._classes: dict[str, int] = {}

    def __missing__(self, answer: str) -> int:
        number = canonical(answer)
        same = number or answer.strip().casefold()
        self[answer] = self._classes.setdefault(same, 2 * len(self._classes) + (number is None))
        return self[answer]


def pooled(runs: Sequence[RunColumns]) -> RunColumns:
    """Several runs of one model as one with more samples a question, numbered on; `answers` must be shared.

    Their `offset` belongs to different files and says nothing any more.
    """
    columns = [np.concatenate([getattr(run, column.name) for run in runs]) for column in fields(RunColumns)]
    whole = RunColumns(*columns)
    at = np.lexsort((np.repeat(np.arange(len(runs)), [len(run) for run in runs]), whole.sample, whole.ids))
    whole = whole.take(at)
    first = np.flatnonzero(np.concatenate([[True], whole.ids[1:] != whole.ids[:-1]]))
    sizes = np.diff([*first, len(whole)])
    return replace(whole, sample=(np.arange(len(whole)) - np.repeat(first, sizes)).astype(np.int32))


def read_texts(run: Run, offsets: Sequence[int]) -> list[Record]:
    """The whole records that start at these places of the file, in the order asked for.

    Raises UserError where one of them cannot be read.
    """
    found: dict[int, Record] = {}
    decode = msgspec.json.Decoder(Record).decode
    with open_records(run.folder) as file:
        for offset in sorted(offsets):
            file.seek(offset)
            try:
                found[offset] = decode(file.readline())
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise UserError(
                    f"{run.name}/records.jsonl, the line at byte {offset}, cannot be read ({error}); "
                    f"score it again: {run.manifest.command}"
                ) from None
    return [found[offset] for offset in offsets]
