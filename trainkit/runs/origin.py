"""Whether a training run's folder was made here, by this user: only then are its checkpoints opened by verl.

verl resumes by `torch.load(..., weights_only=False)` (verl 0.9.1: model, optimizer, extra and data state),
and a pickle can run any code. So a run that is begun gets a mark, made with a key that lies in the user's
own state folder on this machine; a folder of somebody else has none that fits.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from prompts.errors import UserError
from prompts.files import read_json, write_json, write_whole
from prompts.install import DISTRIBUTION

FILE_NAME = "origin.json"


def mark_origin(folder: Path) -> None:
    """Note in a run's folder that it was made here. Raises UserError where that cannot be written."""
    name = secrets.token_hex(16)
    write_json(folder / FILE_NAME, {"id": name, "mac": _mac(_key(), name)})


def require_own(folder: Path, *, trusted: bool) -> None:
    """UserError where a folder was not made here by this user; with `trusted` it gets the mark instead."""
    if _is_own(folder):
        return
    if not trusted:
        raise UserError(
            f"{folder} was not begun on this machine by this user (or by a trainkit that did not mark its "
            "runs), and verl resumes a run by loading pickles, which can run any code; if you trust whoever "
            "made the folder, give the same command with --trust-run"
        )
    mark_origin(folder)


def require_own_code(folder: Path) -> None:
    """UserError where code that a foreign run's files name (a model's, a grader's) would be run."""
    if not _is_own(folder):
        raise UserError(
            f"{folder} was not begun on this machine by this user, and its train.json asks for code of a "
            "model folder or of a grader; read that code, then score with it by name: evalkit score "
            "--model CHECKPOINT --task TASK, with --trust-remote-code or --prompts"
        )


def _is_own(folder: Path) -> bool:
    if folder.stat().st_uid != os.getuid():
        return False
    try:
        mark = read_json(folder / FILE_NAME)
    except UserError:
        return False
    return hmac.compare_digest(str(mark.get("mac")), _mac(_key(), str(mark.get("id"))))


def _mac(key: bytes, name: str) -> str:
    return hmac.new(key, name.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _key() -> bytes:
    """The user's key on this machine, made at first use."""
    root = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / DISTRIBUTION
    path = root / "origin.key"
    if not path.exists():
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UserError(
                f"{root} cannot be made: {error.strerror}; set XDG_STATE_HOME to a folder of yours"
            ) from None
        write_whole(path, secrets.token_hex(32).encode())
        path.chmod(0o600)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
