"""Runs that were scored by one command, as `evalkit diff` prints them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Literal

from evalkit.compare.curve import curve_of
from evalkit.compare.curve_table import render_curve
from evalkit.compare.diff import compare_pair, line_up
from evalkit.compare.table import render_diff
from evalkit.runs.folder import Run
from evalkit.runs.table import render_result
from evalkit.runs.table import render_runs as list_runs
from prompts.errors import Mismatch


def render_runs(runs: Sequence[Run], format: Literal["table", "json", "csv", "markdown"]) -> str:
    """The learning curve of three runs or more, the difference of two, the result of one.

    Runs that may not be compared are a line each, and why is said on stderr.
    """
    if len(runs) > 1:
        try:
            lined_up = line_up(runs)
        except Mismatch as error:
            print(f"warning: no learning curve: {error}", file=sys.stderr)
        else:
            if len(runs) > 2:
                return render_curve(curve_of(lined_up), format)
            return render_diff(compare_pair(lined_up, 0, 1), format, None)
        return list_runs(runs, format)
    return render_result(runs[0], format)
