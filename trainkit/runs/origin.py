"""Whether a training run's folder was made here, by this user: only then are its checkpoints opened by verl.

verl resumes by `torch.load(..., weights_only=False)` (verl 0.9.1: model, optimizer, extra and data state),
and a pickle can run any code. So a run that is begun gets a mark, made with a key that lies in the user's
own state folder on this machine; a folder of somebody else has none that fits. Where others may write into
the folder (one of a group), the checkpoints' files must be the user's own, too.
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
    marked, why = _is_own(folder), ""
    if not marked:
        why = f"{folder} was not begun on this machine by this user (or before runs were marked)"
    elif foreign := _of_another_user(folder):
        why = f"{foreign} belongs to another user, or is a link to a folder"
    if why and not trusted:
        raise UserError(
            f"{why}, and verl resumes a run by loading pickles, which can run any code; if you trust whoever "
            "made the folder, give the same command with --trust-run"
        )
    if not marked:
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


def _of_another_user(folder: Path) -> Path | None:
    """A file of a checkpoint that is not of this user, or a link to a folder, which verl never writes."""
    user = os.getuid()
    for checkpoint in sorted(folder.glob("global_step_*")):
        for root, folders, files in os.walk(checkpoint.resolve()):
            inner = [Path(root, name) for name in folders]
            for path in (checkpoint, Path(root), *inner, *(Path(root, name) for name in files)):
                is_foreign = path.lstat().st_uid != user or (path.exists() and path.stat().st_uid != user)
                if is_foreign or (path in inner and path.is_symlink()):
                    return path
    return None


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
