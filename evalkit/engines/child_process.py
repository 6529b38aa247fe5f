"""An engine's own process: it ends when evalkit ends, and leaves Ctrl-C to evalkit."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
from collections.abc import Iterator
from functools import cache

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when the thread that forked it has ended."""
_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux has it; looked up before any fork
_parents: list[int] = []
"""The process whose forks are bound to it, where there is one."""


def can_bind() -> bool:
    """Whether vLLM will fork its process: one that is started afresh cannot be bound.

    It does not in WSL nor where the user says so (vllm/utils/system_utils.py), and a part of a GPU (MIG)
    makes torch open CUDA, which does not survive a fork.
    """
    wsl = "microsoft" in platform.uname().release.lower()
    told = os.environ.get("VLLM_WORKER_MULTIPROC_METHOD", "fork")
    return not wsl and told == "fork" and "MIG" not in os.environ.get("CUDA_VISIBLE_DEVICES", "")


def die_with_parent(parent: int) -> None:
    """Have this process, just forked by `parent`, killed when that one ends, even by SIGKILL."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before prctl
        os._exit(1)


@contextlib.contextmanager
def bound_children() -> Iterator[None]:
    """Kill what is forked inside (and what that forks) when this process ends.

    vLLM's engine process would live on and hold the GPU. It also gets a process group of its own, so that
    Ctrl-C reaches evalkit alone, which then writes what it has and ends the engine.
    """
    _watch_forks()
    _parents.append(os.getpid())
    try:
        yield
    finally:
        _parents.pop()


@cache
def _watch_forks() -> None:
    def in_child() -> None:
        if not _parents:
            return
        die_with_parent(_parents[-1])
        os.setpgid(0, 0)
        _parents[:] = [os.getpid()]

    os.register_at_fork(after_in_child=in_child)
