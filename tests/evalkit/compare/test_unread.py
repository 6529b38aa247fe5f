"""A change of style that both readings miss is not called skill without a word.

pytest tests/evalkit/compare/test_unread.py
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lettered_runs import diff_of, row
from made_runs import make_run

from evalkit.compare.diff import Diff, diff_runs, line_up
from evalkit.compare.rows import list_rows
from evalkit.compare.table import render_diff
from evalkit.compare.verdict import sentence
from evalkit.records import Row
from evalkit.runs.folder import read_run

ROWS = [row(i) for i in range(300)]


def styled(folder: Path, every: int, style: str, samples: int = 1) -> Diff:
    """Two runs of equal ability (60 %); the base writes each `every`th answer in a style."""

    def write(asked: Row, plain: bool) -> tuple[str, bool]:
        i = int(asked.id[1:])
        answer = asked.gold if i % 5 < 3 else "-77"
        shown = style % answer if not plain and (i // 5) % every == 0 else f"\\boxed{{{answer}}}"
        return f"So it is {shown}.", False

    runs = [
        make_run(folder / name, ROWS, lambda r, _, plain=plain: write(r, plain), samples=samples)
        for name, plain in (("a", False), ("b", True))
    ]
    return diff_runs(*runs)


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("style", [r"\boxed{US\$%s}", r"\boxed{\unknown{%s}}", "(as said above)%.0s"])
def test_a_style_that_no_rule_reads_is_named(tmp_path: Path, style: str, samples: int) -> None:
    diff = styled(tmp_path, 5, style, samples)
    assert diff.delta > 0.1 and diff.unread_explains and diff.unread == diff.fixed
    assert "may explain it, look at them: evalkit diff a b --rows unread" in sentence(diff)
    assert f"{diff.unread:,} (--rows unread)" in render_diff(diff, "table")


def test_the_rows_are_shown(tmp_path: Path) -> None:
    diff = styled(tmp_path, 5, r"\boxed{US\$%s}")
    listing = list_rows(line_up([read_run(tmp_path / "a"), read_run(tmp_path / "b")]), "unread", 3)
    assert listing.total == diff.unread and all("US" in found.base.text for found in listing.rows)


def test_real_skill_is_left_alone(tmp_path: Path) -> None:
    diff = diff_of(tmp_path, "c" * 40 + "w" * 60, "c" * 70 + "w" * 30)
    assert diff.unread == 0 and not diff.unread_explains and "rule could read" not in sentence(diff)


def test_a_few_unread_answers_do_not_explain_a_large_gain(tmp_path: Path) -> None:
    diff = styled(tmp_path, 60, r"\boxed{US\$%s}")
    assert diff.unread > 0 and not diff.unread_explains


def test_answers_that_were_cut_off_are_no_style(tmp_path: Path) -> None:
    diff = diff_of(tmp_path, "c" * 40 + "n" * 30 + "w" * 30, "c" * 70 + "w" * 30)
    assert diff.fixed == 30 and diff.unread == 0


def test_format_is_not_counted_twice(tmp_path: Path) -> None:
    diff = diff_of(tmp_path, "l" * 60 + "w" * 40, "c" * 60 + "w" * 40)
    assert diff.unread == 0 and sentence(diff).endswith("all of it is format")


def test_formulas_are_no_style(tmp_path: Path) -> None:
    rows = [Row(id=f"q{i}", question="?", gold=r"\frac{x}{2}") for i in range(40)]
    runs = [
        make_run(tmp_path / name, rows, lambda r, _, answer=answer: (rf"\boxed{{{answer}}}", False))
        for name, answer in (("a", "x^3+1"), ("b", "x/2"))
    ]
    diff = diff_runs(*runs)
    assert diff.fixed == 40 and diff.unread == 0
