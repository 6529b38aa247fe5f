"""What a run took, over all its processes.

The sums of real processes, killed and interrupted, are held in test_kill.py and test_engine.py.

pytest tests/evalkit/score/test_timing.py
"""

from __future__ import annotations

import time

from written_runs import MANIFEST

from evalkit.runs.manifest import Times
from evalkit.score.timing import Timing, parts_of


def test_a_process_goes_on_from_the_notes_of_those_before() -> None:
    first = Timing.before(MANIFEST)
    assert first.tokens_per_second is None
    first.load, first.generate, first.score, first.tokens = 2.0, 4.0, 0.5, 100
    second = Timing.before(MANIFEST.changed(**first.as_manifest()))
    second.generate, second.tokens = second.generate + 6.0, second.tokens + 300
    assert second.as_manifest() == {
        "times": Times(load=2.0, generate=10.0, score=0.5),
        "timed_tokens": 400,
    }
    assert second.tokens_per_second == 40.0


def test_seconds_of_processes_that_counted_no_tokens_make_no_speed() -> None:
    """As in a run begun by an evalkit that noted nothing until the end: only what is timed from now on."""
    assert (
        Timing.before(MANIFEST.changed(times=Times(load=1.0, generate=2.0, score=0.1))).tokens_per_second
        is None
    )


def test_the_parts_of_a_command_add_up() -> None:
    now = time.time()
    said = parts_of(now - 77.5, now - 61.5, Times(load=50.0, generate=10.5, score=1.0))
    assert said == (
        "77.5 s from the command: 16.0 until the plan stood, 50.0 to load the engine, "
        "10.5 to generate and score, 1.0 for the rest"
    )
    assert parts_of(now - 5, now - 3, Times(load=50.0, generate=10.5)) == "5.0 s from the command"  # resumed
