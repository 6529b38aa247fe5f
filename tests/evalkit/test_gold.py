"""Golds in the shapes that data sets give them: read as what they are, or refused with what was found.

pytest tests/evalkit/test_gold.py
"""

from __future__ import annotations

import datetime
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import orjson
import pyarrow
import pyarrow.parquet
import pytest

from evalkit.exact_json import loads
from evalkit.gold import acceptable, is_code, read_gold
from evalkit.grade.grade import gold_problem
from evalkit.grade.judge import judge
from evalkit.locks.parquet import read_rows
from evalkit.tasks.load import load_rows


@pytest.mark.parametrize(
    ("value", "gold"),
    [
        ("18", "18"),
        (18, "18"),
        (18.0, "18.0"),
        (Decimal("0.10"), "0.10"),
        (2**70 + 1, "1180591620717411303425"),
        (True, "true"),
        (False, "false"),
        (["4"], "4"),
        (["4", "4 "], "4"),
        ([4, "four"], '["4", "four"]'),
        ('["Paris", "paris"]', '["Paris", "paris"]'),
        ('["Paris"]', "Paris"),
        ({"target": ["Paris", "paris"]}, '["Paris", "paris"]'),
        ('{"target": ["Paris"]}', "Paris"),
        ({"target": 4}, "4"),
        ({"value": "Paris", "aliases": ["City of Light"], "type": "x"}, '["Paris", "City of Light"]'),
        ({"text": ["a", "b"], "answer_start": [0, 4]}, '["a", "b"]'),
        ("[1, 2]", "[1, 2]"),
        ("{1, 2}", "{1, 2}"),
        ("[0, 1)", "[0, 1)"),
        ("nan", "nan"),
        (1e-7, "1e-07"),
        (-0.0, "-0.0"),
        (0.1 + 0.2, "0.30000000000000004"),
        (Decimal("1E-7"), "1E-7"),
        (-(2**63) - 1, "-9223372036854775809"),
        ([2**64], "18446744073709551616"),
        ([True, "yes"], '["true", "yes"]'),
        ([1e-7, "10^{-7}"], '["1e-07", "10^{-7}"]'),
        ([None, "4"], "4"),
        ([math.nan, 4], "4"),
        ({"answer": {"target": "4"}}, "4"),
        ({"ground_truth": "4", "style": "rule"}, "4"),
        ({"label": "A", "text": "Paris"}, '["Paris", "A"]'),
        ({"answer": "4", "final_answer": "4"}, "4"),
        ({"target": None, "answer": "4"}, "4"),
        ('{"target": 0.10000000000000000555}', "0.10000000000000000555"),
        ('{"target": [18446744073709551616]}', "18446744073709551616"),
        ("2024-01-31", "2024-01-31"),
        ("1,000", "1,000"),
        ("٤", "٤"),
        ('"4"', '"4"'),
        ("[]", "[]"),
        ('[["1"], ["2"]]', '[["1"], ["2"]]'),
        ("{'a': 1}", "{'a': 1}"),
    ],
)
def test_golds_are_read_as_what_they_are(value: Any, gold: str) -> None:
    assert read_gold(value) == (gold, None)
    assert read_gold(gold) == (gold, None)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "no gold"),
        ("  ", "no gold"),
        (math.nan, "no gold"),
        ([], "no gold"),
        ([None, math.nan], "no gold"),
        ({"target": []}, "no gold"),
        (math.inf, "the gold is inf, which is no number"),
        ({"x": 1, "y": 2}, "the gold is an object with the keys x, y; none of them"),
        ({}, "the gold is an object with the keys none"),
        ([[1], [2]], "the gold is a list of lists"),
        ([{"a": 1}], "the gold is a list of objects"),
        ({"target": [["a"]]}, "the gold is a list of lists"),
        (b"18", "the gold is of type bytes"),
        ('{"target": []}', "no gold"),
        ('{"x": "4"}', "the gold is an object with the keys x"),
        ('[{"input": "1", "output": "2"}]', "the gold is a list of objects"),
        (
            {"target": "4", "answer": "5"},
            "the gold is an object with different answers under target and answer",
        ),
        ("['Paris', 'paris']", "the gold is a list, object or array as Python prints it"),
        ("['Paris' 'paris']", "the gold is a list, object or array as Python prints it"),
        ("{'target': ['4']}", "the gold is a list, object or array as Python prints it"),
        ("array(['4'], dtype=object)", "the gold is a list, object or array as Python prints it"),
        (datetime.date(2024, 1, 31), "the gold is of type date"),
        (datetime.timedelta(1), "the gold is of type timedelta"),
    ],
)
def test_what_cannot_be_read_says_what_was_found(value: Any, problem: str) -> None:
    gold, found = read_gold(value)
    assert gold is None
    assert found is not None and found.startswith(problem)


@pytest.mark.parametrize(
    ("gold", "text", "rule", "outcome"),
    [
        ('["4", "four"]', "\\boxed{4}", "boxed@1", "correct"),
        ('["4", "four"]', "\\boxed{four}", "boxed@1", "correct"),
        ('["4", "four"]', "\\boxed{5}", "boxed@1", "wrong"),
        ('["4", "four"]', "so", "boxed@1", "no_answer"),
        ('["4", "4.5"]', "#### 4.5", "hash@1", "correct"),
        ('["4", "four"]', "#### 4", "hash@1", "unscored"),
        ('["A", "B"]', "The answer is (B).", "choice@1", "correct"),
        ('["4", "5"]', '\\boxed{["4", "5"]}', "boxed@1", "wrong"),
        ("true", "\\boxed{True}", "boxed@1", "correct"),
        ("18446744073709551616", "\\boxed{18446744073709551617}", "boxed@1", "wrong"),
    ],
)
def test_any_acceptable_answer_is_right(gold: str, text: str, rule: str, outcome: str) -> None:
    assert judge(text, gold, rule).grade.outcome == outcome


@pytest.mark.parametrize(
    "gold",
    [
        "assert f(2) == 3",
        "def f(x):\n    return x",
        "import math\nassert f(1)",
        ">>> f(2)\n3",
        '["assert f(1) == 2", "assert f(2) == 3"]',
        "print(3)",
        "self.assertEqual(f(2), 3)",
        "check(candidate)",
    ],
)
def test_code_is_refused_under_rules_that_compare_values(gold: str) -> None:
    assert is_code(gold)
    for rule in ("boxed@1", "math@1", "answer-is@1"):
        assert str(gold_problem(gold, rule)).startswith("gold is code")
    assert gold_problem(gold, "python:grade.py:grade") is None


@pytest.mark.parametrize(
    "gold", ["18", "the class (a) wins", "f(x) = 3", "\\sqrt{2}", "import duties", "x: 3"]
)
def test_what_is_no_code_is_not_taken_for_it(gold: str) -> None:
    assert not is_code(gold)


def test_json_keeps_every_digit() -> None:
    content = b'{"a": 1234567890123456789001, "b": 0.12345678901234567890, "c": 1.5, "d": NaN, "e": 18}'
    assert loads(content) == {
        "a": 1234567890123456789001,
        "b": "0.12345678901234567890",
        "c": 1.5,
        "d": None,
        "e": 18,
    }
    assert loads(b'{"n": ' + b"9" * 5000 + b"}")["n"] == "9" * 5000
    with pytest.raises(orjson.JSONDecodeError):
        loads(b'{"a": 12345678901234567890')


def test_files_of_all_kinds(tmp_path: Path) -> None:
    lines = [18446744073709551616, True, None, ["4"], {"target": ["a", "b"]}, {"x": 1}, "assert f(1) == 2"]
    path = tmp_path / "golds.jsonl"
    path.write_text(
        "".join(json.dumps({"question": f"q{i}", "answer": a}) + "\n" for i, a in enumerate(lines))
    )
    rows = load_rows(str(path)).rows
    assert [row.gold for row in rows] == [
        *("18446744073709551616", "true", None, "4", '["a", "b"]', None, "assert f(1) == 2")
    ]
    assert [row.problem for row in rows][2] == "no gold"
    assert "an object with the keys x" in str(rows[5].problem)
    table = pyarrow.table({"question": ["a", "b"], "answer": [math.nan, 3.0]})
    pyarrow.parquet.write_table(table, tmp_path / "golds.parquet")
    assert [row.gold for row in load_rows(str(tmp_path / "golds.parquet")).rows] == [None, "3.0"]
    assert acceptable('["a", "b"]') == ("a", "b")
    (tmp_path / "golds.csv").write_text('question,answer\nq,"{""target"": [""a""]}"\nr,\ns,[\'a\']\n')
    read = load_rows(str(tmp_path / "golds.csv")).rows
    assert [row.gold for row in read] == ["a", None, None]
    assert "as Python prints it" in str(read[2].problem)
    (tmp_path / "infinite.jsonl").write_text('{"question": "q", "answer": Infinity}\n')
    assert "the gold is inf" in str(load_rows(str(tmp_path / "infinite.jsonl")).rows[0].problem)


def test_parquet_s_own_types(tmp_path: Path) -> None:
    """Each column as one row's gold: short floats as they were written, decimals with their digits."""
    single, half = pyarrow.float32(), pyarrow.float16()
    columns: list[tuple[Any, str | None]] = [
        (pyarrow.array([0.1], single), "0.1"),
        (pyarrow.array([numpy.float16(0.1)], half), "0.1"),
        (pyarrow.array([[0.1, None, 2.5]], pyarrow.list_(single)), '["0.1", "2.5"]'),
        (pyarrow.array([{"target": [0.3]}]).cast(pyarrow.struct([("target", pyarrow.list_(single))])), "0.3"),
        (pyarrow.array([Decimal("0.10")]), "0.10"),
        (pyarrow.array([2**64 - 1], pyarrow.uint64()), "18446744073709551615"),
        (pyarrow.array([4], pyarrow.int8()), "4"),
        (pyarrow.array(["a"]).dictionary_encode(), "a"),
        (pyarrow.array(["a"], pyarrow.large_string()), "a"),
        (pyarrow.array([True]), "true"),
        (pyarrow.nulls(1), None),
        (pyarrow.array([datetime.date(2024, 1, 31)]), None),
        (pyarrow.array([b"4"]), None),
    ]
    for column, gold in columns:
        table = pyarrow.table({"question": ["q"], "answer": column})
        pyarrow.parquet.write_table(table, tmp_path / "one.parquet")
        assert load_rows(str(tmp_path / "one.parquet")).rows[0].gold == gold, column.type


def test_tasks_check_finds_golds_that_cannot_be_scored(tmp_path: Path) -> None:
    from evalkit.grade.check_golds import ANOTHER_GOLD, check_golds
    from prompts.registry import get_template

    golds = ["18", ["4", "four"], True, {"x": 1}, None, "assert f(1) == 2", {"y": 1}, {"x": 2}]
    path = tmp_path / "golds.jsonl"
    rows = [{"question": f"q{i}", "answer": gold} for i, gold in enumerate(golds)]
    rows += [{"question": "Q0", "answer": "18.0"}, {"question": " q0", "answer": "19"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = check_golds(load_rows(str(path)).rows, [get_template("gsm8k-boxed")])
    assert report.failures == ()
    assert [(found.problem[:40], found.rows, found.refused) for found in report.problems] == [
        ("the gold is an object with the keys x; n", 2, True),
        ("no gold", 1, False),
        ("gold is code, which no rule compares: le", 1, True),
        ("the gold is an object with the keys y; n", 1, True),
        (ANOTHER_GOLD[:40], 1, False),
    ]
    assert report.refused == 4


def test_golds_of_a_training_parquet(tmp_path: Path) -> None:
    """A parquet of somebody else's may hold lists; its texts stay as they were written."""
    golds: list[tuple[Any, str | None]] = [
        (["Paris", "paris"], '["Paris", "paris"]'),
        ([True], "true"),
        ("['a']", "['a']"),
        (None, None),
    ]
    for given, gold in golds:
        row = {"prompt": [{"role": "user", "content": "q"}], "reward_model": {"ground_truth": given}}
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "rows.parquet")
        (read,) = read_rows(tmp_path / "rows.parquet")
        assert read.gold == gold
