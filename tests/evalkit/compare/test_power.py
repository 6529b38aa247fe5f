"""`evalkit power`: what runs that exist say about a difference that is to be shown.

pytest tests/evalkit/compare/test_power.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lettered_runs import made
from made_runs import evalkit

from evalkit.compare.power import needs, render_needs
from evalkit.stats.power import questions_needed, verdict_power


def model(name: str) -> dict[str, object]:
    return {"name": f"demo:{name}", "path": None, "weights_sha256": name, "revision": None}


def test_a_pair_gives_its_share_of_changes_and_a_run_alone_the_most_there_can_be(tmp_path: Path) -> None:
    base = made(tmp_path / "a", "c" * 60 + "w" * 40, model=model("a"))
    other = made(tmp_path / "b", "w" * 10 + "c" * 60 + "w" * 30, model=model("b"))
    again = made(tmp_path / "c", "c" * 58 + "w" * 42, model=model("a"))
    pair, alone = needs(base, [other, again], 0.05)
    assert (pair.against, pair.changing, pair.samples) == ("b", pytest.approx(0.2), None)
    assert pair.questions == questions_needed(0.05, 0.2) and pair.power == verdict_power(0.05, 0.2, 100)
    assert alone.against == "independent answers" and alone.changing == pytest.approx(0.6 * 0.35 + 0.65 * 0.4)
    assert "more samples of them show no more" in render_needs([pair, alone], base, 0.05, "table")


def test_samples_that_are_said_to_do_have_80_percent_power(tmp_path: Path) -> None:
    """Abilities that differ little by question: drawing more helps; the figure is tried by simulation."""
    rng = np.random.default_rng(5)
    abilities = rng.uniform(0.3, 0.7, 300)

    def texts(gain: float) -> list[str]:
        return ["".join(np.where(rng.random(300) < abilities + gain, "c", "w")) for _ in range(8)]

    runs = [made(tmp_path / name, *texts(0.0), model=model(name)) for name in "ab"]
    (need,) = needs(runs[0], runs[1:], 0.03)
    assert need.samples is not None and need.questions is not None and need.questions > 300
    shown = 0
    for _ in range(400):
        base, new = (rng.binomial(need.samples, abilities + gain) / need.samples for gain in (0.0, 0.03))
        d = new - base
        shown += d.mean() > 1.96 * d.std(ddof=1) / np.sqrt(300)
    assert 0.7 < shown / 400 < 0.9


def test_command_line(tmp_path: Path) -> None:
    made(tmp_path / "a", "c" * 60 + "w" * 40, model=model("a"))
    made(tmp_path / "b", "c" * 50 + "w" * 50, model=model("b"))
    settings = {"cwd": tmp_path, "EVALKIT_RESULTS": str(tmp_path)}
    done = evalkit("power", "--model", "a", "--gain", "2", "--format", "json", **settings)
    assert done.returncode == 0, done.stderr
    assert [need["against"] for need in json.loads(done.stdout)["needs"]] == ["b", "independent answers"]
    assert evalkit("power", "--model", "a", "--gain", "0", **settings).returncode == 2
