"""Result folders: `results/<run>/{manifest.json, prompt.lock.json, records.jsonl, summary.json}`.

A folder is complete (manifest `status` is "complete" and summary.json stands beside it) or can be
resumed ("running"). JSON files are written to a temporary name and renamed. records.jsonl only
grows, one line a completion; a torn last line is cut off when a run is resumed. Recorded runs may
be gzipped (records.jsonl.gz); readers open both.
"""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import orjson

from evalkit.records import Record
from prompts.errors import UserError
from prompts.files import read_json, write_json

SCHEMA = 1
ENGINE_ENDS = 3.0
"""Seconds that an engine's process may need to end after evalkit was killed."""
NEEDED = ("status", "command", "model", "task", "split", "template", "fingerprint", "sampling", "date")
"""Keys without which a manifest is none."""


@dataclass(frozen=True)
class Run:
    """A result folder, read. `records` are dicts in the shape of `evalkit.records.Record.as_dict`."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def complete(self) -> bool:
        return bool(self.manifest["status"] == "complete")

    @cached_property
    def lock(self) -> dict[str, Any]:
        return read_json(self.folder / "prompt.lock.json")

    @cached_property
    def summary(self) -> dict[str, Any]:
        return read_json(self.folder / "summary.json")

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """All records, sorted by id and sample, so that writing order does not matter.

        Raises UserError where a line is no JSON (the number of the line is named).
        """
        return sorted(iter_records(self.folder), key=lambda record: (record["id"], record["sample"]))


def open_records(folder: Path) -> IO[bytes]:
    """The records of a run as a binary stream, gzipped or not; UserError where there are none."""
    plain, zipped = folder / "records.jsonl", folder / "records.jsonl.gz"
    if plain.exists():
        return plain.open("rb")
    if zipped.exists():
        return gzip.open(zipped, "rb")  # type: ignore[return-value]
    raise UserError(f"{folder} has no records.jsonl")


def iter_records(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a run in the order in which they were written."""
    with open_records(folder) as file:
        for number, line in enumerate(file, 1):
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise UserError(
                    f"{folder.name}/records.jsonl line {number} is not JSON ({error}); "
                    "the same `evalkit score` command resumes a run that was cut off"
                ) from None


def read_run(folder: Path) -> Run:
    """Open a result folder.

    Raises UserError where it is none, was written by a newer evalkit, or is not whole.
    """
    if not (folder / "manifest.json").exists():
        raise UserError(f"{folder} is no result folder (no manifest.json); `evalkit runs` lists them")
    manifest = read_json(folder / "manifest.json")
    if manifest.get("schema", 0) > SCHEMA:
        raise UserError(
            f"{folder.name} has schema {manifest['schema']}, this evalkit reads up to {SCHEMA}; "
            "upgrade it: pip install -U lockstep-evalkit"
        )
    if missing := [key for key in NEEDED if key not in manifest]:
        raise UserError(f"{folder.name}/manifest.json is not whole, it lacks {', '.join(missing)}")
    run = Run(folder, manifest)
    if run.complete and not (folder / "summary.json").exists():
        raise UserError(f"{folder.name} is not whole, it lacks summary.json; score it again")
    return run


def list_runs(root: Path) -> list[Run]:
    """All runs below `root` (also those in results/recorded) that can be read, newest first."""
    return read_runs(root)[0]


def read_runs(root: Path) -> tuple[list[Run], list[UserError]]:
    """As `list_runs`, and why the others cannot be read: one broken folder does not hide the rest."""
    runs, broken = [], []
    for path in (*root.glob("*/manifest.json"), *root.glob("*/*/manifest.json")):
        try:
            runs.append(read_run(path.parent))
        except UserError as error:
            broken.append(error)
    return sorted(runs, key=lambda run: (run.manifest["date"], run.name), reverse=True), broken


def _locked(file: IO[bytes]) -> bool:
    """Whether the file is ours now; the engine of a killed evalkit holds it for a moment longer."""
    until = time.monotonic() + ENGINE_ENDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)


class RunWriter:
    """Appends records to a run, and finishes it. Holds a file lock, so that one process writes.

    `done` holds the (id, sample) pairs that were already there when the run was resumed.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any], lock: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # unbuffered: nothing is left to be written when a write fails, or when the process dies
            self._file = (folder / "records.jsonl").open("ab", buffering=0)
        except OSError as error:
            raise UserError(f"{folder} cannot be written: {error.strerror}") from None
        if not _locked(self._file):
            self._file.close()
            raise UserError(f"{folder} is being written by another process")
        write_json(folder / "prompt.lock.json", lock)  # first: a folder with a manifest has a lock
        write_json(folder / "manifest.json", manifest)
        self.done = self._resume()

    def _resume(self) -> set[tuple[str, int]]:
        """Cut a torn last line off, and return the pairs that are complete."""
        done: set[tuple[str, int]] = set()
        end = 0
        with (self.folder / "records.jsonl").open("rb") as written:
            for number, line in enumerate(written, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    record = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise UserError(
                        f"{self.folder}/records.jsonl line {number} is not JSON ({error}); remove that line "
                        "and give the same command again"
                    ) from None
                done.add((record["id"], record["sample"]))
                end += len(line)
        self._file.truncate(end)
        self._end = end
        return done

    def append(self, record: Record) -> None:
        """Write one record; it survives a kill of this process once this returns."""
        line = orjson.dumps(record.as_dict(), option=orjson.OPT_APPEND_NEWLINE)
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._file.truncate(self._end)  # a part of a line would spoil the next one
            raise UserError(
                f"{self.folder}/records.jsonl cannot be written: {error.strerror}; "
                "free some space and give the same command again"
            ) from None
        self._end += len(line)
        self.done.add((record.id, record.sample))

    def note(self, **values: Any) -> None:
        """Put what was learned on the way into the manifest, so that a kill does not lose it."""
        self.manifest = {**self.manifest, **values}
        write_json(self.folder / "manifest.json", self.manifest)

    def finish(self, manifest: dict[str, Any], summary: dict[str, Any]) -> None:
        """Mark the run complete: summary first, then the manifest that says so."""
        os.fsync(self._file.fileno())
        write_json(self.folder / "summary.json", summary)
        self.manifest = {**manifest, "status": "complete"}
        write_json(self.folder / "manifest.json", self.manifest)
        self.close()

    def close(self) -> None:
        if self._file.closed:
            return
        fcntl.flock(self._file, fcntl.LOCK_UN)  # an engine's process may hold the file open, too
        self._file.close()
