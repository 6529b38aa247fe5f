"""Result folders: `results/<run>/{manifest.json, prompt.lock.json, records.jsonl, summary.json}`.

A folder is complete (manifest `status` is "complete" and summary.json stands beside it) or can be
resumed ("running"). JSON files are written to a temporary name and renamed. records.jsonl only
grows, one line a completion; a torn last line is cut off when a run is resumed. Recorded runs may
be gzipped (records.jsonl.gz); readers open both.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from evalkit.file_lock import FileLock
from evalkit.records import Extraction, Record
from evalkit.runs.manifest import MANIFEST_FILE, SUMMARY_FILE, Manifest, Summary, read_manifest, read_summary
from evalkit.runs.record_lines import CODE, FILE_NAME, check_sorted, iter_records, known_ids
from prompts.errors import Mismatch, UserError
from prompts.lock import FILE_NAME as LOCK_FILE
from prompts.lock import Lock, read_lock, write_lock

if TYPE_CHECKING:
    import pandas

ENGINE_ENDS = 3.0
"""Seconds that an engine's process may need to end after evalkit was killed."""
_NOTHING = Extraction(None, "")
_BARE = {
    "question": "",
    "gold": None,
    "text": "",
    "extraction": _NOTHING,
    "lenient": _NOTHING,
    "markers": None,
    "fields": None,
}


@dataclass(frozen=True)
class Run:
    """A result folder, read. Lock, summary and records are read when they are asked for, and checked."""

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def complete(self) -> bool:
        return self.manifest.status == "complete"

    @cached_property
    def lock(self) -> Lock:
        """The run's prompt lock.

        Raises UserError where there is none, Mismatch where it was edited or is another run's: its content
        does not hash to what it says, or not to the fingerprint that the manifest says.
        """
        lock = read_lock(self.folder)
        if lock is None:
            raise UserError(f"{self.name} has no {LOCK_FILE}; score it again: {self.manifest.command}")
        if lock.fingerprint != self.manifest.fingerprint:
            raise Mismatch(
                f"{self.folder}/{LOCK_FILE} has fingerprint {lock.fingerprint}, the run's manifest says "
                f"{self.manifest.fingerprint}: one of them was edited; score it again: "
                f"{self.manifest.command}"
            )
        return lock

    @cached_property
    def summary(self) -> Summary:
        """The run's figures. Raises UserError where they cannot be read."""
        return read_summary(self.folder)

    def verify(self) -> None:
        """Read the lock, and the summary of a complete run. Raises as these do."""
        _ = self.lock, self.summary if self.complete else None

    @cached_property
    def records(self) -> list[Record]:
        """All records, sorted by id and sample, so that writing order does not matter.

        Raises UserError where a line is no record (its number is named), where the records are not those
        that manifest and lock say (`evalkit.runs.record_lines.check_sorted`), Mismatch as `lock` does.
        """
        lock = self.lock
        return sorted_records(self.name, self.manifest, lock, list(iter_records(self.folder, self.manifest)))

    def bare_records(self) -> list[Record]:
        """All records without their texts and answers, checked and sorted as `records` are.

        All that `evalkit.runs.summary` reads of them, in a tenth of the memory.
        """
        bare = [
            msgspec.structs.replace(record, **_BARE) for record in iter_records(self.folder, self.manifest)
        ]
        return sorted_records(self.name, self.manifest, self.lock, bare)

    def frame(self) -> pandas.DataFrame:
        """The records as a pandas DataFrame, one row a completion (`evalkit.runs.frame`)."""
        from evalkit.runs.frame import frame_of

        return frame_of(self.records)


def sorted_records(name: str, manifest: Manifest, lock: Lock, records: Sequence[Record]) -> list[Record]:
    """The records by id and sample. Raises UserError where they are not those of manifest and lock."""
    ids = np.array([record.id.encode() for record in records], dtype=np.bytes_)
    samples = np.array([record.sample for record in records], dtype=np.int64)
    outcomes = np.array([CODE[record.outcome] for record in records], dtype=np.uint8)
    order: NDArray[np.int64] = np.lexsort((samples, ids))
    check_sorted(name, manifest, lock, order, ids[order], samples[order], outcomes)
    return [records[place] for place in order]


def read_run(folder: Path) -> Run:
    """Open a result folder.

    Raises UserError where it is none, was written by a newer evalkit, or is not whole.
    """
    try:
        there = (folder / MANIFEST_FILE).exists()
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}") from None
    if not there:
        raise UserError(f"{folder} is no result folder (no manifest.json); `evalkit runs` lists them")
    run = Run(folder, read_manifest(folder))
    if run.manifest.status != "running" and not (folder / SUMMARY_FILE).exists():
        raise UserError(f"{folder.name} is not whole, it lacks summary.json; score it again")
    return run


def list_runs(root: Path) -> list[Run]:
    """All runs below `root` (also those in results/recorded) that can be opened, newest first.

    Their locks are not verified yet: that is done when a run is used.
    """
    return read_runs(root, verify=False)[0]


def read_runs(root: Path, *, verify: bool = True) -> tuple[list[Run], list[UserError]]:
    """As `list_runs`, and why the others cannot be read: one broken folder does not hide the rest.

    With `verify` a run is also left out where its lock was edited or its summary cannot be read.
    """
    runs, broken = [], []
    for path in (*root.glob(f"*/{MANIFEST_FILE}"), *root.glob(f"*/*/{MANIFEST_FILE}")):
        try:
            run = read_run(path.parent)
            if verify:
                run.verify()
            runs.append(run)
        except UserError as error:
            broken.append(error)
    return sorted(runs, key=lambda run: (run.manifest.date, run.name), reverse=True), broken


class RunWriter:
    """Appends records to a run, and finishes it. Holds a file lock, so that one process writes.

    `done` holds the (id, sample) pairs that were already there when the run was resumed.
    """

    def __init__(self, folder: Path, manifest: Manifest, lock: Lock) -> None:
        self.folder = folder
        self.manifest = manifest
        self.lock = lock
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # unbuffered: nothing is left to be written when a write fails, or when the process dies
            self._file = (folder / FILE_NAME).open("ab", buffering=0)
        except OSError as error:
            raise UserError(f"{folder} cannot be written: {error.strerror}") from None
        self._hold = FileLock(self._file.fileno(), folder / FILE_NAME)
        # the engine of an evalkit that was killed holds the file for a moment longer
        if holder := self._hold.acquire(ENGINE_ENDS):
            self._file.close()
            raise UserError(f"{folder} is being written by {holder}")
        try:
            self.done = self._resume()
        except UserError:
            self._hold.release()
            self._file.close()
            raise
        write_lock(lock, folder)  # first: a folder with a manifest has a lock
        manifest.write(folder)

    def _resume(self) -> set[tuple[str, int]]:
        """Cut a torn last line off, and return the pairs that are complete.

        Raises UserError for a line that is no record of this run, or one that stands there twice.
        """
        done: set[tuple[str, int]] = set()
        known, samples = known_ids(self.manifest, self.lock), self.manifest.sampling.samples
        decode = msgspec.json.Decoder(Record).decode
        end = 0
        with (self.folder / FILE_NAME).open("rb") as written:
            for number, line in enumerate(written, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    record = decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise self._spoilt(number, f"cannot be read ({error})") from None
                pair = (record.id, record.sample)
                if pair in done:
                    raise self._spoilt(number, f"holds sample {record.sample} of {record.id} a second time")
                if (known is not None and record.id not in known) or not 0 <= record.sample < samples:
                    raise self._spoilt(
                        number, f"holds sample {record.sample} of {record.id}, not of this run"
                    )
                done.add(pair)
                end += len(line)
        self._file.truncate(end)
        self._end = end
        return done

    def _spoilt(self, number: int, what: str) -> UserError:
        return UserError(
            f"{self.folder}/{FILE_NAME} line {number} {what}; "
            "remove that line and give the same command again"
        )

    def append(self, record: Record, more: Mapping[str, Any] = {}) -> None:
        """Write one record; it survives a kill of this process once this returns.

        `more` holds keys of a newer version, which stay when a record is written again.
        """
        line = orjson.dumps({**record.as_dict(), **more}, option=orjson.OPT_APPEND_NEWLINE)
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._file.truncate(self._end)  # a part of a line would spoil the next one
            raise UserError(
                f"{self.folder}/{FILE_NAME} cannot be written: {error.strerror}; "
                "free some space and give the same command again"
            ) from None
        self._end += len(line)
        self.done.add((record.id, record.sample))

    def note(self, **values: Any) -> None:
        """Put what was learned on the way into the manifest, so that a kill does not lose it."""
        self.manifest = self.manifest.changed(**values)
        self.manifest.write(self.folder)

    def finish(self, manifest: Manifest, summary: Summary) -> None:
        """Mark the run complete (or decided, as the manifest says): summary first, then the manifest.

        Raises UserError, and leaves the run unfinished, where there are not as many records as rows times
        samples.
        """
        if manifest.completions not in (None, len(self.done)):
            raise UserError(
                f"{self.folder} holds {len(self.done):,} records, {manifest.completions:,} are needed: "
                f"{manifest.rows:,} rows with {manifest.sampling.samples} samples; "
                "give the same command again"
            )
        os.fsync(self._file.fileno())
        summary.write(self.folder)
        decided = manifest.status == "decided"
        self.manifest = manifest if decided else manifest.changed(status="complete")
        self.manifest.write(self.folder)
        self.close()

    def close(self) -> None:
        if self._file.closed:
            return
        self._hold.release()  # an engine's process may hold the file open, too
        self._file.close()
