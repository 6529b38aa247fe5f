"""How many copies of an engine there are, and which GPUs each one has."""

from __future__ import annotations

import os
from collections.abc import Sequence

from evalkit.engines.base import EngineOptions
from prompts.errors import UserError

WORTH = 64
"""Completions for which another copy is worth its start, where nobody said how many there should be."""


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; does not open CUDA."""
    import torch

    count = torch.cuda.device_count()
    named = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    names = [name for name in named if name] or [str(number) for number in range(count)]
    return tuple(names[:count])


def slots_of(options: EngineOptions, gpus: Sequence[str]) -> list[str | None]:
    """The CUDA_VISIBLE_DEVICES of each copy; None for one that has no GPU.

    Where neither --gpus nor --copies was given: all GPUs, but no more copies than the completions are worth
    (`WORTH`). Raises UserError for numbers that do not fit each other or the machine.
    """
    asked = options.gpus is not None or options.copies is not None
    for flag, value in (("--gpus", options.gpus), ("--copies", options.copies)):
        if value is not None and value < 1:
            raise UserError(f"{flag} {value}: at least 1; leave it out for all that this machine has")
    if not gpus:
        if options.gpus is not None:
            raise UserError(
                f"--gpus {options.gpus}: no GPU found; on a CPU copies share the cores: "
                f"--copies {options.gpus}"
            )
        return [None] * (options.copies or 1)
    taken = options.gpus or (options.copies * options.tp if options.copies else len(gpus))
    if taken > len(gpus):
        flag = f"--gpus {taken}" if options.gpus else f"--copies {options.copies} with --tp {options.tp}"
        raise UserError(f"{flag} needs {taken} GPUs, {len(gpus)} found; use --gpus {len(gpus)}")
    if options.gpus and options.gpus % options.tp:
        fitting = max(options.gpus // options.tp, 1) * options.tp
        raise UserError(
            f"--gpus {options.gpus} are no whole copies of --tp {options.tp} GPUs; use --gpus {fitting}"
        )
    if options.gpus and options.copies and options.gpus != options.copies * options.tp:
        raise UserError(
            f"--gpus {options.gpus} with --tp {options.tp} makes {options.gpus // options.tp} copies, "
            f"--copies says {options.copies}; leave one out"
        )
    copies = taken // options.tp
    if not asked and options.completions is not None:
        copies = max(1, min(copies, options.completions // WORTH))
    return [",".join(gpus[at * options.tp : (at + 1) * options.tp]) for at in range(copies)]
