"""Counting what flips between two greedy runs of one checkpoint.

pytest tests/evalkit/score/test_noise_floor.py
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lettered_runs import made

from evalkit.compare.diff import diff_runs
from evalkit.runs.folder import read_run
from evalkit.runs.manifest import NoiseFloor
from evalkit.score.noise_floor import measure_noise, record_noise
from prompts.errors import UserError


def test_flips_and_changed_texts(tmp_path: Path) -> None:
    # Right to wrong, wrong to right, and one that only finds other words for a wrong answer.
    a, b = made(tmp_path / "a", "cccwwlnu"), made(tmp_path / "b", "cwccwnnu")
    noise = measure_noise(a, b)
    assert (noise.n, noise.flips, noise.texts) == (7, 2, 3)
    assert noise.sentence().startswith("2 of 7 answers flip between right and wrong (28.6 %), 3 texts change")


def test_a_run_against_itself_has_no_noise(tmp_path: Path) -> None:
    a = made(tmp_path / "a", "cw")
    assert measure_noise(a, a).flips == measure_noise(a, a).texts == 0


def test_recorded_noise_is_found_by_diff_and_changes_nothing_else(tmp_path: Path) -> None:
    a, b = made(tmp_path / "a", "c" * 50 + "w" * 50), made(tmp_path / "b", "w" + "c" * 49 + "w" * 50)
    before = a.manifest
    record_noise(a, measure_noise(a, b))
    again = read_run(a.folder)
    assert again.manifest.changed(noise=None, original=before.original) == before
    assert diff_runs(again, b).noise == NoiseFloor(n=100, flips=1)


def test_only_runs_of_the_same_weights_are_noise(tmp_path: Path) -> None:
    model = {"name": "m", "path": None, "weights_sha256": "0" * 64, "revision": None}
    a, b = made(tmp_path / "a", "cw", model=model), made(tmp_path / "b", "cw")
    with pytest.raises(UserError, match="differ in weights"):
        measure_noise(a, b)
