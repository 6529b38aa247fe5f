"""Rows by pass rate: of a training run's rollouts and of a scored train split, and what is refused.

pytest tests/trainkit/data/test_select.py
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from made_runs import make_run as make_scored_run
from made_training_runs import made_job, made_rollout

from evalkit.records import Outcome, Row
from prompts.errors import UserError
from trainkit.data.select import PassRate, Selected, Selection, parse_select, pass_rates
from trainkit.runs.job import write_job
from trainkit.runs.rollout import FILE_NAME, Rollout, as_line

ROWS = [Row(id=f"r{n}", question=f"What is {n} + 0?", gold=str(n), fields={}) for n in range(5)]
PASSED = {"r0": 0, "r1": 1, "r2": 4, "r3": 2}
"""Of four completions; r4 was never drawn."""


def select(rows: list[Row], text: str, samples: int = 4) -> tuple[list[str], Selected]:
    selection = Selection(text, samples)
    return [row.id for row in selection.choose(rows)], selection.summary()


def seen(row: Row, outcome: Outcome) -> Rollout:
    return made_rollout(id=row.id, question=row.question, outcome=outcome, lenient_outcome=outcome)


@pytest.fixture
def training_run(tmp_path: Path) -> Path:
    folder = tmp_path / "earlier"
    folder.mkdir()
    write_job(made_job(), folder)
    lines = [
        seen(row, outcome)
        for row in ROWS
        for outcome in ["correct"] * PASSED.get(row.id, 0) + ["wrong"] * (4 - PASSED.get(row.id, 4))
    ]
    lines.append(msgspec.structs.replace(seen(ROWS[4], "correct"), validate=True))
    (folder / FILE_NAME).write_bytes(b"".join(map(as_line, lines)))
    return folder


def test_rows_within_the_bounds_and_unseen_ones_stay(training_run: Path) -> None:
    kept, chosen = select(ROWS, f"{training_run}:0.1..0.9")
    assert kept == ["r1", "r3", "r4"]
    assert (chosen.rows, chosen.easier, chosen.harder, chosen.unseen) == (3, 1, 1, 1)
    expected = (PassRate("", 1, 4).teaches(4) + PassRate("", 2, 4).teaches(4)) / 2
    assert chosen.teaching == pytest.approx(expected)
    assert select(ROWS, f"{training_run}:0.25..0.5")[0] == ["r1", "r3", "r4"]
    assert select(ROWS, f"{training_run}:0..0")[0] == ["r0", "r4"]


def test_a_row_whose_question_was_another_one_is_unseen(training_run: Path) -> None:
    changed = [Row(id=row.id, question=row.question + "!", gold=row.gold, fields={}) for row in ROWS[:1]]
    kept, chosen = select([*changed, *ROWS[1:]], f"{training_run}:0.1..0.9")
    assert (kept[0], chosen.harder, chosen.unseen) == ("r0", 0, 2)


def test_a_scored_split_gives_the_same_rates(tmp_path: Path) -> None:
    def complete(row: Row, sample: int) -> tuple[str, bool]:
        return f"\\boxed{{{row.gold if sample < PASSED[row.id] else -1}}}", False

    scored = make_scored_run(tmp_path / "scored", ROWS[:4], complete, samples=4, split="train")
    rates = pass_rates(str(scored.folder))
    assert {row_id: rate.correct for row_id, rate in rates.items()} == PASSED
    assert {rate.samples for rate in rates.values()} == {4}


def test_how_probably_a_group_teaches() -> None:
    never, often, half = (PassRate("", right, 8).teaches(8) for right in (0, 8, 4))
    assert never == pytest.approx(often) and 0 < never < 0.35
    assert 0.9 < half < 1
    assert PassRate("", 4000, 8000).teaches(2) == pytest.approx(0.5, abs=1e-3)
    assert PassRate("", 800, 8000).teaches(8) == pytest.approx(1 - 0.9**8 - 0.1**8, abs=1e-2)


@pytest.mark.parametrize(
    "text", ["run", "run:0.1", "run:0.9..0.1", "run:0..2", ":0..1", "run:a..b", "run:0.1.1..1"]
)
def test_what_is_no_selection_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"write RUN:LOW\.\.HIGH"):
        parse_select(text)


def test_a_path_with_colons_is_read_to_the_last() -> None:
    assert parse_select("runs/a:b:0.1..0.9") == ("runs/a:b", 0.1, 0.9)


def test_refusals_say_what_would_work(training_run: Path, tmp_path: Path) -> None:
    other = [Row(id="x", question="?", gold="1", fields={})]
    with pytest.raises(UserError, match="evalkit score --task TASK --split train --samples 8"):
        select(other, f"{training_run}:0.1..0.9")
    with pytest.raises(UserError, match="no row lies within; 1 are easier, 3 are harder"):
        select(ROWS[:4], f"{training_run}:0.8..0.9")
    with pytest.raises(UserError, match="nowhere"):
        select(ROWS, "nowhere:0.1..0.9")
