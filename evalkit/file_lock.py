"""One writer a folder: flock where the file system has it, else a file that only one process can make.

Lustre mounted without `-o flock`, some NFS and FUSE file systems answer ENOSYS, ENOLCK or EOPNOTSUPP,
which says nothing about another process.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
import socket
import sys
import time
from pathlib import Path

from prompts.files import is_running

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTSUP}
_POLL = 0.05


class FileLock:
    """An exclusive hold on what `path` stands for; `descriptor` is an open file of it, which flock is given.

    Where there is no flock the hold is a file `.<name>.held` beside it with host and process: it is taken
    over from a process of this host that has ended, and must be removed by hand where the host is another.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._mark = path.with_name(f".{path.name}.held")
        self._marked = False

    def acquire(self, seconds: float = 0.0) -> str | None:
        """Take the hold, waiting up to so many seconds; None where it was taken, else who has it."""
        until = time.monotonic() + seconds
        while (holder := self._try()) is not None and time.monotonic() < until:
            time.sleep(_POLL)
        return holder

    def _try(self) -> str | None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                return "another process"
        return self._mark_it()

    def _mark_it(self) -> str | None:
        content = f"{socket.gethostname()} {os.getpid()}\n".encode()
        for _ in range(2):
            try:
                made = os.open(self._mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                if holder := _living(self._mark) or self._taken_over():
                    return f"{holder} (if that has ended: rm {shlex.quote(str(self._mark))})"
                continue
            os.write(made, content)
            os.close(made)
            self._marked = True
            print(f"this file system has no locks; {self._mark} keeps other writers out", file=sys.stderr)
            return None
        return "another process"

    def _taken_over(self) -> str | None:
        """Remove the mark of a process that has ended; who was faster, where somebody was."""
        aside = self._mark.with_name(f"{self._mark.name}.{os.getpid()}")
        try:
            self._mark.rename(aside)
            if (holder := _living(aside)) is not None:  # it was taken over between the look and the rename
                os.link(aside, self._mark)
                return holder
        except OSError:
            return "another process"
        finally:
            aside.unlink(missing_ok=True)
        return None

    def release(self) -> None:
        """Let the hold go; nothing happens where it was not taken."""
        if self._marked:
            self._mark.unlink(missing_ok=True)
            self._marked = False
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError:
            return  # there is no flock, and nothing was taken


def _living(mark: Path) -> str | None:
    """Who wrote a mark, in words; None where that process of this host has ended."""
    try:
        host, number = mark.read_text(encoding="utf-8").split()
        if host == socket.gethostname() and not is_running(int(number)):
            return None
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return "another process"
    return f"process {number} on {host}"
