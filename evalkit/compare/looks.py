"""How runs were chosen, and how often a gate is asked: what makes an error likelier than 5 %, said."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.runs.find import checkpoint_of
from evalkit.runs.folder import Run


def warnings(
    sides: Sequence[Sequence[Run]], names: Sequence[str], *, all_runs: bool, gated: bool
) -> list[str]:
    """What must be said before a comparison: which of several runs stands for a name, and that a gate
    without --looks is asked after several checkpoints. `sides` holds the runs of each name, newest first.
    """
    lines = []
    several = [(name, len(side)) for name, side in zip(names, sides, strict=True) if len(side) > 1]
    if several and not all_runs:
        counts = ", ".join(f"{name} has {count} complete runs" for name, count in several)
        lines.append(
            f"{counts}: the newest is compared; looking again until one is better errs more often, "
            "--all-runs uses all of them"
        )
    checkpoints = {checkpoint_of(side[0]) for side in sides[1:]} - {None}
    if gated and len(checkpoints) > 1:
        lines.append(
            f"a gate that is asked after each of {len(checkpoints)} checkpoints errs more often than one; "
            f"share the error: --looks {len(checkpoints)} (how often it is asked in all)"
        )
    return lines
