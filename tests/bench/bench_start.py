"""What importing evalkit and asking for help costs, compared with importing typer and rich alone.

    pytest -s tests/bench/bench_start.py

Processor time of a fresh Python, the least of several taken in turns, the start of Python included in each.
A help page draws with rich, which `import rich` does not load yet.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from places import ROOT

TIMES = 15
PEER = ("-c", "import typer, rich")
CASES = {
    "import evalkit": (("-c", "import evalkit"), 1.3),
    "evalkit --help": (("-m", "evalkit", "--help"), 2.5),
    "trainkit --help": (("-m", "trainkit", "--help"), 3.0),
}
"""What is run, and the most that it may cost, in imports of typer and rich."""


def seconds(arguments: tuple[str, ...]) -> float:
    """Processor time of one fresh Python."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_start() -> None:
    best: dict[str, float] = {}
    runs = {"peer": PEER, **{name: arguments for name, (arguments, _) in CASES.items()}}
    for _ in range(TIMES):
        for name, arguments in runs.items():
            best[name] = min(best.get(name, float("inf")), seconds(arguments))
    print(f"\n{'import typer, rich':<18} {best['peer']:.3f} s of processor time")
    for name, (_, most) in CASES.items():
        print(f"{name:<18} {best[name]:.3f} s, ratio {best[name] / best['peer']:.2f} (at most {most})")
