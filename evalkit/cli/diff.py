"""`evalkit diff`: compare runs question by question."""

from __future__ import annotations

import math
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from evalkit.cli.app import app
from prompts.errors import UserError

WORSE = "--fail-if-worse"


class OptionalMargin(TyperCommand):
    """Lets `--fail-if-worse` stand without a number, which typer's options cannot: it means 0."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the 0 where the word after the option is no number."""
        filled: list[str] = []
        for word, following in zip_longest(args, args[1:], fillvalue=""):
            filled += [word, "0"] if word == WORSE and not _is_number(following) else [word]
        return super().parse_args(ctx, filled)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


@app.command("diff", cls=OptionalMargin)
def diff_command(
    runs: Annotated[
        list[str],
        typer.Argument(help="Two or more runs, the base first: folder, name, start of a name, step_50."),
    ],
    rows: Annotated[
        Literal["fixed", "broken", "both-wrong", "unread"] | None,
        typer.Option(help="Show such questions too, with both completions side by side."),
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", help="How many of --rows.")] = 10,
    common: Annotated[
        bool, typer.Option("--common", help="Runs of different rows: compare those that all hold.")
    ] = False,
    allow_mismatch: Annotated[
        bool,
        typer.Option(
            "--allow-mismatch", help="Compare runs that were read differently, and mark every line."
        ),
    ] = False,
    fail_if_worse: Annotated[
        float | None,
        typer.Option(
            WORSE,
            metavar="[POINTS]",
            help="Exit 1 where the last run is worse than the first: the interval lies below -POINTS (0).",
        ),
    ] = None,
    require_better: Annotated[
        bool, typer.Option("--require-better", help="Exit 1 unless the last run is better than the first.")
    ] = False,
    all_runs: Annotated[
        bool,
        typer.Option("--all-runs", help="All complete runs of each checkpoint, not the newest."),
    ] = False,
    looks: Annotated[
        int,
        typer.Option(help="How often this is asked in all; the error is shared."),
    ] = 1,
    choose_on: Annotated[
        str | None,
        typer.Option(metavar="SPLIT", help="Choose the best of several by their runs on this split."),
    ] = None,
    gates: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Exit 1 unless every task meets its gate in this TOML file."),
    ] = None,
    format: Annotated[
        Literal["table", "json", "csv", "markdown", "latex"], typer.Option(help="How to print it.")
    ] = "table",
) -> None:
    """Compare runs question by question: what was fixed, what was broken, is it more than chance.

    With three runs or more it prints a learning curve: each run against the first and the one before.
    Runs of several tasks are compared task by task, too.
    """
    _check(runs, rows, number, fail_if_worse, looks)
    if choose_on is not None and len(runs) < 3:
        raise UserError(f"--choose-on chooses the best of three runs or more, {len(runs)} were given")
    if all_runs and rows:
        raise UserError("--rows shows one run a side; leave --all-runs out")
    from evalkit.compare.diff import compare_pair, line_up, line_up_all
    from evalkit.compare.looks import warnings
    from evalkit.compare.suite.by_task import suite_of
    from evalkit.compare.table import render_diff
    from evalkit.compare.verdict import check_gates
    from evalkit.runs.find import find_sides, runs_elsewhere
    from evalkit.settings import settings

    sides = find_sides(runs, settings().results)
    found = [side[0] for side in sides]
    if len({run.folder.resolve() for run in found}) < len(found):
        raise UserError(f"the same run was given twice: {', '.join(run.name for run in found)}")
    asked = None
    if gates:
        from evalkit.compare.suite.gates import check_single, check_suite, read_gates

        asked = read_gates(gates)
    gated = fail_if_worse is not None or require_better or asked is not None
    for line in warnings(sides, runs, all_runs=all_runs, gated=gated and looks == 1):
        print(f"warning: {line}", file=sys.stderr)
    if all_runs:
        lined_up = line_up_all(sides, common=common, allow_mismatch=allow_mismatch)
    else:
        lined_up = line_up(found, common=common, allow_mismatch=allow_mismatch)
    if suite := suite_of(lined_up, looks=looks):
        from evalkit.compare.suite.table import render_suite, suite_csv, suite_json
    if len(found) > 2:
        from evalkit.compare.curve import curve_of
        from evalkit.compare.curve_table import render_curve

        elsewhere = runs_elsewhere(found, choose_on, settings().results) if choose_on else None
        curve = curve_of(lined_up, looks, elsewhere)
        print(render_curve(curve, format))
        diff, p_value = curve.against_first[-1].diff, curve.against_first[-1].p_value
    else:
        diff = compare_pair(lined_up, 0, 1, looks)
        p_value = diff.p_value
        listing = None
        if rows:
            from evalkit.compare.rows import list_rows

            listing = list_rows(lined_up, rows, number)
        if suite and format == "json" and not rows:
            print(suite_json(diff, suite))
        elif suite and format == "csv" and not rows:
            print(suite_csv(diff, suite))
        else:
            print(render_diff(diff, format, listing))
    if suite and format not in ("json", "csv"):
        print(f"\n{render_suite(suite, format)}")
    if asked and suite:
        check_suite(asked, suite)
    elif asked:
        check_single(asked, diff, found[0].manifest.task)
    check_gates(diff, fail_if_worse=fail_if_worse, require_better=require_better, p_value=p_value)


def _check(runs: list[str], rows: str | None, number: int, fail_if_worse: float | None, looks: int) -> None:
    if len(runs) < 2:
        raise UserError("diff takes two runs or more; `evalkit runs` lists them")
    if rows and len(runs) > 2:
        raise UserError(f"--rows shows two runs side by side, {len(runs)} were given")
    if looks < 1:
        raise UserError(f"--looks {looks}: at least 1")
    if number < 1:
        raise UserError(f"-n {number} shows nothing; give 1 or more")
    if fail_if_worse is not None and not (math.isfinite(fail_if_worse) and 0 <= fail_if_worse <= 100):
        raise UserError(f"{WORSE} takes percentage points from 0 to 100, got {fail_if_worse:g}")
