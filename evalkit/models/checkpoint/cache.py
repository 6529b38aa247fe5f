"""Merged checkpoints, kept under the user's cache directory by what the checkpoint holds.

The key is a hash of the shards' bytes and of all else that ends up in the merged folder, so a
checkpoint that was moved or copied is not merged again, and one that was overwritten is.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

from evalkit.file_lock import FileLock
from evalkit.models.checkpoint.recognise import LORA_META, Checkpoint, open_checkpoint
from evalkit.settings import cache_dir
from prompts.errors import Failed, Mismatch, UserError
from prompts.files import clear_leftovers, read_json, whole_folder, write_json

REPORT = "merge.json"
"""Lies in every merged folder, written last: what was merged and verified."""
MERGE_SECONDS = 24 * 3600.0
"""How long a process waits for another one that merges the same checkpoint."""
FORMAT = 1
"""Raise it where the same checkpoint would be merged into something else than before."""


def prepare_checkpoint(path: Path, *, trust_remote_code: bool = False) -> Path:
    """The merged Hugging Face folder of a `global_step_N`; merged and verified on first use.

    Raises UserError where the path is no checkpoint or its save was interrupted, Failed where the
    merged model is not what the shards hold or nothing was trained.
    """
    checkpoint = open_checkpoint(path)
    root = cache_dir() / "merged"
    root.mkdir(parents=True, exist_ok=True)
    clear_leftovers(root)  # gigabytes, and of a checkpoint that changed since nobody would come again
    target = root / content_key(checkpoint, root / "digests.json")[:16]
    if not (target / REPORT).exists():
        with (root / f".{target.name}.lock").open("w") as lock:
            hold = FileLock(lock.fileno(), root / f"{target.name}.lock")
            if holder := hold.acquire(MERGE_SECONDS):  # a second process waits for the first one's merge
                raise UserError(f"{checkpoint.name} is being merged by {holder}")
            try:
                if not (target / REPORT).exists():
                    merge_into(checkpoint, target, trust_remote_code=trust_remote_code)
            finally:
                hold.release()
    return target


def merge_into(checkpoint: Checkpoint, target: Path, *, trust_remote_code: bool = False) -> dict[str, Any]:
    """Merge into the new folder `target`, whole or not at all, and return the report.

    Raises as `prepare_checkpoint`, and UserError where the folder is there already or cannot be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} is there already; name a new folder")
    print(f"{checkpoint.name}: merging {checkpoint.world_size} shards (once)", file=sys.stderr)
    with whole_folder(target) as temporary:
        report = _run(checkpoint, temporary, trust_remote_code)
        write_json(temporary / REPORT, report)
    return report


def _run(checkpoint: Checkpoint, target: Path, trust_remote_code: bool) -> dict[str, Any]:
    """Start the merging process, and raise what it reports as an error."""
    command = [sys.executable, "-m", "evalkit.models.checkpoint.merge", str(checkpoint.folder), str(target)]
    command += ["--trust-remote-code"] if trust_remote_code else []
    # The child finds evalkit where this process found it, installed or not.
    home = str(Path(__file__).parents[2])
    search = os.pathsep.join(part for part in (home, os.environ.get("PYTHONPATH")) if part)
    environment = {**os.environ, "PYTHONPATH": search, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        killed = " (killed; is there enough memory?)" if done.returncode < 0 else ""
        raise Failed(f"merging {checkpoint.name} failed{killed}: {last}")
    result: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    if "error" in result:
        if result["code"] == Mismatch.exit_code:
            raise Mismatch(result["error"], result["detail"])
        raise (Failed if result["code"] == Failed.exit_code else UserError)(result["error"])
    return result


def content_key(checkpoint: Checkpoint, memo: Path) -> str:
    """sha256 over names and contents of everything that decides the merged folder.

    `memo` remembers the hash of files by path, size, time of change and inode, so that gigabytes
    are read once.
    """
    files = [*checkpoint.model_shards(), *sorted(p for p in checkpoint.huggingface.iterdir() if p.is_file())]
    if (meta := checkpoint.actor / LORA_META).exists():
        files.append(meta)
    known = read_json(memo) if memo.exists() else {}
    with ThreadPoolExecutor() as pool:
        entries = list(pool.map(lambda path: _digest(path, known), files))
    known.update({str(path.resolve()): entry for path, entry in zip(files, entries, strict=True)})
    write_json(memo, {path: entry for path, entry in known.items() if Path(path).exists()})
    lock = checkpoint.lock.as_dict()["sha256"] if checkpoint.lock else None
    names = [str(path.relative_to(checkpoint.actor)) for path in files]
    parts = [[name, entry[1]] for name, entry in zip(names, entries, strict=True)]
    dtype = [] if checkpoint.dtype == "bfloat16" else [checkpoint.dtype]
    return hashlib.sha256(orjson.dumps([FORMAT, lock, parts, *dtype])).hexdigest()


def _digest(path: Path, known: dict[str, Any]) -> list[Any]:
    """[what stat says, sha256 of the content] of one file."""
    stat = path.stat()
    seen = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    entry = known.get(str(path.resolve()))
    if isinstance(entry, list) and entry[0] == seen:
        return entry
    with path.open("rb") as file:
        return [seen, hashlib.file_digest(file, "sha256").hexdigest()]
