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
from evalkit.records import Count, Outcome, Record
from evalkit.runs.folder import Run
from evalkit.runs.record_lines import CODE, check_order, lines_of, open_records
from prompts.errors import UserError

CORRECT, WRONG, NO_ANSWER, UNSCORED = (CODE[name] for name in ("correct", "wrong", "no_answer", "unscored"))


class _Answer(msgspec.Struct):
    answer: str | None


class _Line(msgspec.Struct):
    """The fields that are kept; all others are skipped without being built."""

    id: str
    sample: Count
    completion_tokens: Count
    truncated: bool
    outcome: Outcome
    lenient_outcome: Outcome
    extraction: _Answer


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
    lock say (`evalkit.runs.record_lines.check_order`; the line is named), Mismatch for an edited lock.
    """
    if not run.complete:
        raise UserError(f"{run.name} {run.manifest.unfinished}")
    blocks = list(_read_blocks(run, answers or AnswerClasses()))
    if not blocks:
        raise UserError(f"{run.name} holds no record, there is nothing to compare")
    columns = RunColumns(*(np.concatenate(column) for column in zip(*blocks, strict=True)))
    del blocks
    order = check_order(run.name, run.manifest, run.lock, columns.ids, columns.sample, columns.outcome)
    return columns.take(order)


_DTYPES = (np.bytes_, np.int32, np.uint8, np.uint8, np.int32, np.bool_, np.int32, np.int64)
_BLOCK = 1 << 16


def _read_blocks(run: Run, answer_class: AnswerClasses) -> Iterator[tuple[NDArray[Any], ...]]:
    """The columns of `RunColumns` in file order, some ten thousand records at a time."""
    decode = msgspec.json.Decoder(_Line).decode
    rows: list[tuple[Any, ...]] = []
    offset = 0
    with lines_of(run.folder, run.manifest) as lines:
        for _, line in lines:
            record = decode(line)
            rows.append(
                (
                    record.id.encode(),
                    record.sample,
                    CODE[record.outcome],
                    CODE[record.lenient_outcome],
                    record.completion_tokens,
                    record.truncated,
                    answer_class[record.extraction.answer],
                    offset,
                )
            )
            offset += len(line)
            if len(rows) == _BLOCK:
                yield _as_columns(rows)
                rows = []
    if rows:
        yield _as_columns(rows)


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


def _as_columns(rows: list[tuple[Any, ...]]) -> tuple[NDArray[Any], ...]:
    return tuple(np.array(c, dtype=t) for c, t in zip(zip(*rows, strict=True), _DTYPES, strict=True))


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
