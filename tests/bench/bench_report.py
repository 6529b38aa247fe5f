"""How long a report of 4 x 1,319 questions takes to write and to open, and how large it is.

    pytest -s tests/bench/bench_report.py

Wanted: written in under 5 s as a whole process, under 15 MB, open in Chromium in under 2 s (address
given to table drawn). Completions are 2,000 characters, near the limit of 512 tokens.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from browser import start
from made_runs import DATA, evalkit, gsm8k_rows, long_runs, needs_gsm8k

TIMES = 5


@needs_gsm8k
def test_report(tmp_path: Path) -> None:
    rows = gsm8k_rows()
    long_runs(tmp_path / "results", rows)
    driver = next(start(tmp_path / "profile"))
    names = [f"step_{step}" for step in range(4)]

    def write() -> None:
        (tmp_path / "report.html").unlink(missing_ok=True)
        done = evalkit("report", *names, cwd=tmp_path, EVALKIT_DATA=str(DATA.resolve()))
        assert done.returncode == 0, done.stderr

    def opened() -> None:
        driver.get("about:blank")
        driver.get((tmp_path / "report.html").as_uri())
        while not driver.execute_script("return document.body.dataset.ready"):
            time.sleep(0.01)

    try:
        print(f"\nwritten in   {median_of(write):6.2f} s (wanted: under 5)")
        print(f"size         {(tmp_path / 'report.html').stat().st_size / 1e6:6.2f} MB (wanted: under 15)")
        print(f"opened in    {median_of(opened):6.2f} s (wanted: under 2)")
    finally:
        driver.quit()


def median_of(step: Callable[[], None]) -> float:
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
