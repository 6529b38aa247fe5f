"""A row's own id goes from its file to records, `show`, `diff --rows` and the frame; ours stays the key.

pytest tests/evalkit/runs/test_own_ids.py
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console
from written_runs import record, write

from evalkit.compare.diff import line_up
from evalkit.compare.rows import list_rows, render_rows
from evalkit.exchange.parquet import to_parquet
from evalkit.grade.judge import judge, make_record
from evalkit.records import Completion
from evalkit.runs.folder import Run, read_run
from evalkit.runs.show import choose, print_records
from evalkit.score.plan import select
from evalkit.tasks.load import load_rows
from prompts.errors import UserError
from prompts.reading.completion import Decoded

ROWS = [
    {"id": "algebra/7", "question": "What is 3 + 4?", "answer": "7"},
    {"id": 12, "question": "What is 3 + 5?", "answer": "8"},
    {"question": "What is 3 + 6?", "answer": "9"},
]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def scored(folder: Path, rows: Path, text: str) -> Run:
    done = Completion(index=0, sample=0, token_ids=(1,), finish_reason="stop")
    records = [
        make_record(row, 5, Decoded(text), done, judge(text, row.gold, "last-number@1"), sample=0, seed=1)
        for row in load_rows(str(rows)).rows
    ]
    return read_run(write(folder, records))


def test_they_are_kept_and_shown(tmp_path: Path, rows: Path) -> None:
    base, new = scored(tmp_path / "base", rows, "6"), scored(tmp_path / "new", rows, "7")
    own = {entry.gold: entry.own_id for entry in new.records}
    assert own == {"7": "algebra/7", "8": "12", "9": None}
    assert list(new.frame().own_id.dropna().sort_values()) == ["12", "algebra/7"]
    table = pq.read_table(io.BytesIO(to_parquet(new)))
    assert table.column("own_id").to_pylist() == [entry.own_id for entry in new.records]
    (found,) = choose(new, row_id="algebra/7")
    console = Console(file=io.StringIO(), width=100)
    print_records([found], new.lock.reading, console)
    assert f"algebra/7 ({found.id}) sample 0" in console.file.getvalue()  # type: ignore[attr-defined]
    listing = list_rows(line_up([base, new]), "fixed", 5)
    assert [row.as_dict()["own_id"] for row in listing.rows] == ["algebra/7"]
    assert f"id: algebra/7 ({found.id})" in render_rows(listing, ("base", "new"), "table")
    header, line = render_rows(listing, ("base", "new"), "csv").splitlines()
    assert "own id" in header and "algebra/7" in line


def test_rows_are_chosen_by_them(rows: Path) -> None:
    task = load_rows(str(rows))
    assert [row.gold for row in select(task, None, ["12", task.rows[2].id]).rows] == ["8", "9"]
    with pytest.raises(UserError, match=r"has no row algebra/8 \(near: algebra/7"):
        select(task, None, ["algebra/8"])


def test_records_without_one_are_as_they_were(tmp_path: Path) -> None:
    run = read_run(write(tmp_path / "run", [record("a", "7")]))
    assert "own_id" not in run.records[0].as_dict() and run.records[0].name == "a"
    assert list(run.frame().own_id) == [None]
