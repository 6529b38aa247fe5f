"""Files and folders that nobody ever sees half of: written under another name and then renamed.

The only place that does so. `whole_file` and `whole_folder` are for what is written bit by bit.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from prompts.errors import UserError

BOM = b"\xef\xbb\xbf"
"""What some editors put before a text in UTF-8."""
LARGEST = 1 << 30
"""Bytes of a file that is read whole (locks, manifests, configurations, tokenizers)."""

_YOUNG = 60.0
"""Seconds: between making a folder and locking it another process must not take it for a leftover."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Hand out another path in the same folder, and rename what was written there to `path` at the end.

    So `path` is either the old file or the new one, also after a kill or a power cut. Where the block
    raises, the old file stays; nothing is left beside it but by a kill. An OSError becomes a UserError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # it is gone, or never was: no such folder, too long a name
            temporary.unlink()


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, gone at the end unless the block renamed it.

    What a killed process left there for the same path goes first. An OSError in the block becomes a
    UserError that names `path`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    held = None
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # of a process that had this number and was killed
        clear_leftovers(path.parent, path.name)
        temporary.mkdir(parents=True)
        held = _hold(temporary)
        yield temporary
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if held is not None:
            os.close(held)


def clear_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left of `scratch_folder` in a folder: of one path, or of all there.

    A living process holds a lock on its own, which ends with it; where a file system has no locks, and
    within the first minute, nothing is removed.
    """
    for leftover in folder.iterdir() if folder.is_dir() else ():
        if not leftover.name.startswith(".") or (name is not None and leftover.stem != f".{name}"):
            continue
        with suppress(OSError):
            found = leftover.lstat()
            young = time.time() - found.st_mtime < _YOUNG
            if not stat.S_ISDIR(found.st_mode) or not leftover.suffix[1:].isdecimal() or young:
                continue
            if is_running(int(leftover.suffix[1:])) or (held := _hold(leftover)) is None:
                continue
            shutil.rmtree(leftover, ignore_errors=True)
            os.close(held)


def _hold(folder: Path) -> int | None:
    """Lock a folder until its descriptor is closed; None where another process holds it, or none can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def is_running(process: int) -> bool:
    """Whether a process of this number runs here; one of somebody else's does, too."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """As `scratch_folder`, renamed to `path` at the end: it is there whole or not at all.

    Raises UserError where `path` is there already and not an empty folder.
    """
    with scratch_folder(path) as temporary:
        yield temporary
        try:
            temporary.rename(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise UserError(f"{path} exists: it was made while this wrote its own; keep that one") from None


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the new one. Raises UserError where it cannot."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def refuse_existing(output: Path) -> None:
    """UserError where the path is taken or its folder is missing; call it before any work is done."""
    try:
        taken = output.exists() or output.is_symlink()
    except OSError as error:  # a name that is too long
        raise UserError(f"{output} cannot be written: {error.strerror}") from None
    if taken:
        raise UserError(f"{output} exists; remove it or give another path with --output")
    if not output.parent.is_dir():
        raise UserError(f"{output.parent} is no folder; make it first: mkdir -p {output.parent}")
    if not os.access(output.parent, os.W_OK):
        raise UserError(
            f"{output} cannot be written: no permission in {output.parent}; give another --output"
        )


def write_new_file(output: Path, content: bytes) -> None:
    """Write a file that must not exist yet. Raises UserError where it does or cannot be written."""
    refuse_existing(output)
    write_whole(output, content)


def write_new_folder(output: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder that must not exist yet; `contents` maps paths inside it to their bytes."""
    refuse_existing(output)
    with whole_folder(output) as temporary:
        for name, content in contents.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def shortened(name: str, longest: int = 80) -> str:
    """A part of a file's name, of at most so many bytes; what is cut off is told apart by its hash.

    File systems take 255 bytes for a whole name.
    """
    raw = name.encode("utf-8", "surrogatepass")
    if len(raw) <= longest:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:8]
    return f"{raw[: longest - 9].decode('utf-8', 'ignore')}-{digest}"


def require_plain(path: Path) -> None:
    """Raises UserError where a path is a pipe, a socket or a device: reading it would wait for ever.

    For libraries that open the file themselves. What is missing is left to them.
    """
    with suppress(OSError, ValueError):
        found = path.stat().st_mode
        if not stat.S_ISREG(found) and not stat.S_ISDIR(found):
            raise UserError(f"{path} is no plain file; put the file itself there")


def read_plain(path: Path) -> bytes:
    """The bytes of a file, without a byte order mark.

    UserError where it is missing, cannot be read, is no plain file (a pipe would be waited for, for
    ever), or is larger than any file that is read whole.
    """
    require_plain(path)
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise UserError(f"{path} has {size:,} bytes; at most {LARGEST:,} are read")
        return path.read_bytes().removeprefix(BOM)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL in its name
        raise UserError(f"{str(path)!r} cannot be read: {error}") from None


def read_toml(path: Path, content: bytes | None = None) -> dict[str, Any]:
    """Read a TOML file (or `content`, which stood in it); UserError where it is missing or broken."""
    content = read_plain(path) if content is None else content
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError:
        raise UserError(f"{path} cannot be read as TOML: it is nested too deeply") from None
    except ValueError as error:
        raise UserError(f"{path} cannot be read as TOML: {error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object; UserError where the file is missing or broken."""
    content = read_plain(path)
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} holds {type(value).__name__}, not an object")
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write one JSON object so that the file is either the old one or the new one."""
    write_whole(path, orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
