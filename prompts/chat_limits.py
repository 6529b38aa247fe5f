"""Chat templates are programs of whoever made the model: each is tried once, under limits, before it is used.

The trial renders a few conversations in a process of its own, which is ended at the limit: a loop
without end, a text of gigabytes or a power of a million digits cannot be stopped from within Python.
"""

from __future__ import annotations

import os
import resource
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

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
        raise UserError(
            f"the chat template {reason}, and is not used; look at chat_template.jinja (or chat_template in "
            "tokenizer_config.json) in the model's folder, and bring back the one it was published with"
        )


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
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
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
