"""A checkpoint's prompt lock, held against everything that witnessed it: manifest, training run, data.

A lock is a small file beside the weights, easily copied from another checkpoint or left behind. What
trainkit writes elsewhere names its fingerprint too, and all of them must agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from prompts.errors import Mismatch, UserError
from prompts.files import read_json, write_json
from prompts.lock import FILE_NAME, Lock, difference_of_locks, read_lock

ADOPTED = "adopted"
"""Key of a checkpoint's manifest: the fingerprint of a lock that `prompts adopt` put in its place."""
REPLACED = "lock replaced"
"""The mark of such a checkpoint, carried by every number of it."""
KEYS_SHOWN = 4


_RENDERED = (
    ("reading", ("template", "chat_template", "tokenizer", "stop_ids", "scorer", "probe")),
    ("data", ("task", "split", "rows", "prompts")),
)
"""What the lock of every model has had from the first version on."""


def trusted_lock(folder: Path, run: Path | None) -> Lock | None:
    """The prompt lock of a checkpoint's folder; without one of its own, that of its training run.

    `run` is the training run's folder, None where the checkpoint lies in none. Raises Mismatch where the
    witnesses name another lock, or name one and there is none.
    """
    own, manifest = read_lock(folder), checkpoint_manifest(folder)
    if own is not None and manifest.get(ADOPTED) == own.fingerprint:
        return own
    beside = read_lock(run) if run is not None and run.is_dir() else None
    lock = own or beside
    for witness, fingerprint in _fingerprints(folder, manifest, run):
        if lock is None:
            raise Mismatch(
                f"{folder} has lost its prompt lock: {witness} names fingerprint {fingerprint}, and no "
                f"{FILE_NAME} is there; bring it back, or write it again: {_adopt(folder, run)}"
            )
        if fingerprint != lock.fingerprint:
            raise Mismatch(
                f"the prompt lock of {folder} is not its own: the lock has fingerprint {lock.fingerprint} "
                f"({lock.template}), {witness} names {fingerprint}; {_way_out(folder, run)}"
            )
    if lock is not None and run is not None and (run / "train.json").exists():
        for place in (run, run / "train.parquet"):
            _require_equal(folder, run, lock, place)
    return lock


def rendered_lock(folder: Path, lock: Lock | None) -> Lock | None:
    """The lock, if it holds all that prompts are rendered by, as those of models and checkpoints do.

    Raises UserError where it does not: an imported run's lock, put into a model's folder, is no model's.
    """
    for section, keys in _RENDERED if lock is not None else ():
        if gone := [key for key in keys if key not in getattr(lock, section)]:
            raise UserError(
                f"the prompt lock of {folder} lacks {section}.{gone[0]}, so nothing can be rendered by it; "
                f"bring back the lock that was written for it, or write a new one: {_adopt(folder, None)}"
            )
    return lock


def checkpoint_manifest(folder: Path) -> dict[str, Any]:
    """What trainkit's callback wrote when the save was finished; empty where there is no such file."""
    path = folder / "manifest.json"
    held = read_json(path) if path.is_file() else {}
    for key, kind in (("fingerprint", str), ("marks", list)):
        _require_kind(path, held, key, kind)
    return held


def _require_kind(path: Path, held: dict[str, Any], key: str, kind: type) -> None:
    """UserError where a witness holds a value of another type: it was edited, and says nothing."""
    if held.get(key) is not None and not isinstance(held[key], kind):
        raise UserError(
            f"{path} is no manifest of a checkpoint: its {key} is {str(held[key])[:40]!r}; was it edited?"
        )


def note_adopted(folder: Path, run: Path | None, lock: Lock) -> None:
    """Say in the checkpoint's manifest that its lock was replaced on purpose, if it was."""
    manifest = checkpoint_manifest(folder)
    named = {fingerprint for _, fingerprint in _fingerprints(folder, manifest, run)}
    if not manifest or named <= {lock.fingerprint}:
        return
    marks = [*manifest.get("marks", ())]
    marks += [REPLACED] if REPLACED not in marks else []
    write_json(folder / "manifest.json", {**manifest, ADOPTED: lock.fingerprint, "marks": marks})


def _fingerprints(folder: Path, manifest: dict[str, Any], run: Path | None) -> Iterator[tuple[str, str]]:
    """Who names which fingerprint; a file from before, that names none, says nothing."""
    if isinstance(manifest.get("fingerprint"), str):
        yield f"{folder}/manifest.json", manifest["fingerprint"]
    merged = folder / "merge.json"
    if merged.is_file():
        report = read_json(merged)
        _require_kind(merged, report, "fingerprint", str)
        if named := report.get("fingerprint"):
            yield str(merged), named
    job = run / "train.json" if run is not None else None
    if job is not None and job.is_file() and isinstance(named := read_json(job).get("fingerprint"), str):
        yield str(job), named


def _require_equal(folder: Path, run: Path, lock: Lock, place: Path) -> None:
    """Mismatch where the run's lock, or its data's, is another one in any of the three sections."""
    try:
        other = read_lock(place)
    except UserError as error:
        if not place.exists():
            return  # the data may have been removed
        raise error
    if other is None or other.as_dict()["sha256"] == lock.as_dict()["sha256"]:
        return
    keys = [
        f"{d.section}.{d.key}" for d in difference_of_locks(other, lock) if not d.key.startswith("probe.")
    ]
    raise Mismatch(
        f"the prompt lock of {folder} is not the one of {place}, they differ in "
        f"{', '.join(keys[:KEYS_SHOWN])}; {_way_out(folder, run)}"
    )


def _way_out(folder: Path, run: Path | None) -> str:
    return (
        "bring back the lock it was saved with, or, if this one is meant: "
        f"evalkit prompts adopt {quote(str(folder))} --prompt NAME --force (marks every result)"
        if run is None
        else f"bring it back: cp {quote(str(run / FILE_NAME))} {quote(str(folder))}/; or replace it on "
        f"purpose: evalkit prompts adopt {quote(str(folder))} --prompt NAME --force (marks every result)"
    )


def _adopt(folder: Path, run: Path | None) -> str:
    data = run / "train.parquet" if run is not None else None
    how = f"--data {quote(str(data))}" if data is not None and data.exists() else "--prompt NAME"
    return f"evalkit prompts adopt {quote(str(folder))} {how}"
