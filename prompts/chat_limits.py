"""Chat templates are programs of whoever made the model: each is tried once, under limits, before it is used.

The trial renders a few conversations in a process of its own, which is ended at the limit: a power of
a million digits cannot be stopped from within Python. A template may also run away on one question
only, which no trial shows: what is rendered here has limits of memory and of computing time too.
"""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from prompts.errors import UserError

SECONDS = 10
"""For all conversations of a trial together; a usual template takes a millisecond."""
MEMORY = 1 << 30
"""Bytes that a trial may take beyond what the process has."""
CHARACTERS = 8_000_000
"""Of one prompt: twice what a context of a million tokens holds."""
IN_RAY = "RAY_RAYLET_PID"
"""Set by Ray in its workers, whose many threads do not bear a fork."""
_TOO_LONG, _NO_MEMORY = 3, 4
_PAGE = resource.getpagesize()
_tried: dict[str, str | None] = {}


def try_template(template: str, render: Callable[[], int]) -> None:
    """Render in a process of its own, once a template and process; `render` gives the longest text's length.

    Raises UserError where that takes longer, or more memory or text, than the limits allow. Errors of
    the template itself are left to those who use it. Nothing is tried inside Ray's workers (their
    template was tried before they were started), nor where a process cannot be forked.
    """
    if template not in _tried:
        _tried[template] = None if IN_RAY in os.environ or not hasattr(os, "fork") else _trial(render)
    if reason := _tried[template]:
        raise _refused(reason)


def _refused(reason: str) -> UserError:
    return UserError(
        f"the chat template {reason}, and is not used; look at chat_template.jinja (or chat_template in "
        "tokenizer_config.json) in the model's folder, and bring back the one it was published with"
    )


class _Late(BaseException):
    """Raised in the midst of a rendering; nothing on the way takes it for an error of the template."""


@contextmanager
def limited() -> Iterator[None]:
    """One prompt's rendering in this process. Raises UserError where it takes too much memory or time.

    The time is what this process computes, so a busy machine changes nothing. Only the main thread can be
    interrupted, and only between operations, and a limit of memory is the whole process's: in other
    threads, and inside Ray's workers, which render what was rendered before they were started, there is none.
    """
    if IN_RAY in os.environ or threading.current_thread() is not threading.main_thread():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGVTALRM, _interrupt)
    try:
        most = _size() + MEMORY
        if soft == resource.RLIM_INFINITY or most < soft:
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        yield
    except _Late:
        raise _refused(f"was not done with a prompt after {SECONDS} s") from None
    except MemoryError:
        raise _refused(f"takes more than {MEMORY >> 30} GiB of memory for a prompt") from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before or signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _interrupt(_signal: int, _frame: object) -> None:
    raise _Late


def _size() -> int:
    """Bytes of address space that this process has; once a prompt, so without what makes reading slow."""
    file = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(file, 64).split(None, 1)[0]) * _PAGE
    finally:
        os.close(file)


def check_length(text: str) -> str:
    """The text itself; UserError where it is longer than any prompt."""
    if len(text) > CHARACTERS:
        raise UserError(
            f"the chat template makes a text of {len(text):,} characters of the prompt; at most "
            f"{CHARACTERS:,} are read; look at chat_template.jinja in the model's folder"
        )
    return text


def _trial(render: Callable[[], int]) -> str | None:
    """What a template does that it should not, in a few words; None where all is well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child runs Python and nothing else
        child = os.fork()
    if child == 0:
        os._exit(_rendered(render))
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return _reason(os.waitstatus_to_exitcode(status))
        time.sleep(0.001)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return f"was not done with a short prompt after {SECONDS} s"


def _rendered(render: Callable[[], int]) -> int:
    """The trial itself: its exit code."""
    with suppress(BaseException):
        most = _size() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        return _TOO_LONG if render() > CHARACTERS else 0
    except MemoryError:
        return _NO_MEMORY
    except BaseException:
        return 0


def _reason(code: int) -> str | None:
    if code == _TOO_LONG:
        return f"makes more than {CHARACTERS:,} characters of a short prompt"
    if code == _NO_MEMORY or code < 0:
        return f"takes more than {MEMORY >> 30} GiB of memory for a short prompt"
    return None
