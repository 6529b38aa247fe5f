"""Copies whose processes are started before anything is planned, so that their imports run beside the plan.

On an H100 importing vLLM and what its own process needs takes as long as planning does, on other cores.
On a CPU both would want the same cores: there nothing is started ahead.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

from evalkit.engines.base import EngineOptions
from evalkit.engines.vllm_install import installed_version
from prompts.errors import UserError

SERVE = "evalkit.engines.copies.serve"
ROOT = Path(__file__).parents[3]
MOST = 8
"""Copies that are started ahead: those of one machine."""
_spare: list[Spare] = []


@dataclass(frozen=True)
class Spare:
    """A process that waits on its pipe for what to load."""

    process: subprocess.Popen[bytes]
    pipe: Any
    gpus: str | None = None


def start(log: Path | None, ahead: EngineOptions | None = None, gpus: str | None = None) -> Spare:
    """Start a copy's process. Its output goes into the log; with `ahead` it imports vLLM meanwhile.

    `gpus` is its CUDA_VISIBLE_DEVICES, set before anything can look for GPUs.
    """
    ours, theirs = connection.Pipe()
    command = [sys.executable, "-m", SERVE, str(theirs.fileno()), str(os.getpid())]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with open(log or os.devnull, "ab") as output:
        process = subprocess.Popen(
            command,
            env={
                **os.environ,
                "PYTHONPATH": path,
                **({} if gpus is None else {"CUDA_VISIBLE_DEVICES": gpus}),
            },
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,  # Ctrl-C reaches evalkit alone
        )
    theirs.close()
    if ahead is not None:
        with suppress(OSError):  # it died at once: whoever takes it sees that
            ours.send(ahead)
    return Spare(process, ours, gpus)


def start_ahead(engine: str, options: EngineOptions) -> None:
    """Start as many copies as there will probably be, where that saves time: vLLM on GPUs of this machine."""
    if engine != "vllm" or options.ray is not None or options.base_url is not None:
        return
    try:
        if installed_version()[1]:
            return
    except UserError:  # said where the engine is checked
        return
    gpus = _visible()
    gpus = gpus[: options.gpus or len(gpus)]
    tp = max(1, options.tp)
    for copy in range(min(options.copies or MOST, len(gpus) // tp, MOST)):
        _spare.append(start(None, options, ",".join(gpus[copy * tp : (copy + 1) * tp])))


def waiting() -> bool:
    """Whether a copy was started ahead."""
    return bool(_spare)


def take(gpus: str | None) -> Spare | None:
    """A copy that was started ahead on these GPUs; None where there is none."""
    for at, spare in enumerate(_spare):
        if spare.gpus == gpus:
            return _spare.pop(at)
    return None


def end_surplus() -> None:
    """End the copies that were started ahead and are not wanted."""
    while _spare:
        surplus = _spare.pop()
        surplus.pipe.close()
        surplus.process.kill()
        surplus.process.wait()


def _visible() -> list[str]:
    """The GPUs that are probably visible, named as CUDA names them; `slots.visible_gpus` without torch."""
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    with suppress(OSError):
        devices = [name for name in os.listdir("/dev") if re.fullmatch(r"nvidia\d+", name)]
        return [str(number) for number in range(len(devices))]
    return []
