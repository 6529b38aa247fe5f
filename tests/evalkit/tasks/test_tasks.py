"""Tasks: ids from content, nothing dropped, files of every form, mistakes named in one line.

pytest tests/evalkit/tasks/test_tasks.py
"""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.extract.numbers import canonical
from evalkit.score.plan import select
from evalkit.tasks.load import load_rows
from evalkit.tasks.reasoning import NAMES
from evalkit.tasks.rows import Item, make_rows
from prompts.errors import UserError
from prompts.registry import get_template, load_templates
from prompts.render import render

QUESTION = "A {price} of 50% off: \\boxed{7} {question} %s {{x}}?"


def jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_sums_splits_share_nothing() -> None:
    for task in ("sums", "sums:999"):
        test, train = load_rows(task, "test"), load_rows(task, "train")
        assert len(test.rows) == 128
        unordered = [{frozenset((r.fields["a"], r.fields["b"])) for r in t.rows} for t in (test, train)]
        assert not unordered[0] & unordered[1]
        assert all(
            r.gold == str(r.fields["a"] + r.fields["b"]) and not r.problem for r in (*test.rows, *train.rows)
        )
    assert len(load_rows("sums", "train").rows) == 400 - 128
    assert load_rows("sums").max_tokens == 16 < load_rows("sums:99999").max_tokens


def test_sums_are_the_same_everywhere() -> None:
    assert [row.question for row in load_rows("sums").rows[:2]] == ["What is 3 + 7?", "What is 7 + 3?"]


def test_gsm8k(data_folder: Path) -> None:
    test, train = load_rows("gsm8k", "test", data=data_folder), load_rows("gsm8k", "train", data=data_folder)
    assert (len(test.rows), len(train.rows)) == (1319, 7473)
    assert len({row.id for row in (*test.rows, *train.rows)}) == 1319 + 7473
    assert all(row.gold and canonical(row.gold) is not None for row in (*test.rows, *train.rows))
    assert not [row for row in test.rows if row.problem]


def test_math_tasks_from_files_of_the_hubs_shape(tmp_path: Path) -> None:
    (tmp_path / "math-500").mkdir()
    jsonl(tmp_path / "math-500/test.jsonl", [{"problem": "1/2?", "answer": "\\frac{1}{2}", "level": 1}])
    (tmp_path / "aime").mkdir()
    jsonl(tmp_path / "aime/test.jsonl", [{"id": 60, "problem": "2^3?", "answer": "008", "url": ""}])
    math, aime = load_rows("math-500", data=tmp_path), load_rows("aime", data=tmp_path)
    assert (math.rows[0].gold, aime.rows[0].gold) == ("\\frac{1}{2}", "008")
    assert get_template(math.template).rule == get_template(aime.template).rule == "math"


def test_reasoning_gym_golds_are_numbers() -> None:
    reasoning_gym = pytest.importorskip("reasoning_gym")
    for name in NAMES:
        data = reasoning_gym.create_dataset(name, seed=5, size=8)
        assert all(canonical(row["answer"].strip()) is not None for row in data), name
    test, train = load_rows("rg:chain_sum", "test"), load_rows("rg:chain_sum", "train")
    assert not {r.question for r in test.rows} & {r.question for r in train.rows}
    assert not [row for row in (*test.rows, *train.rows) if row.problem]


def test_nothing_is_dropped(tmp_path: Path) -> None:
    golds: list[Any] = ["1", 1, 1.5, None, "", "  ", True, [1], {"a": 1}, "1"]
    rows = [{"question": "q", "answer": gold} for gold in golds]
    loaded = load_rows(str(jsonl(tmp_path / "r.jsonl", rows)))
    assert len(loaded.rows) == len(golds) == len({row.id for row in loaded.rows})
    first = loaded.rows[0].id
    assert [row.problem for row in loaded.rows[:4]] == [None, f"duplicate of {first}", None, "no gold"]
    assert (
        loaded.rows[-1].problem == f"duplicate of {first}" and loaded.rows[-1].id == f"{first}-4"
    )  # [1] is 1


@settings(max_examples=50)
@given(st.lists(st.tuples(st.text(), st.none() | st.text() | st.integers())))
def test_ids_follow_content_not_place(items: list[tuple[str, Any]]) -> None:
    rows = make_rows(Item(question=q, gold=g) for q, g in items)
    turned = make_rows(Item(question=q, gold=g) for q, g in reversed(items))
    assert len(rows) == len(items) == len({row.id for row in rows})
    assert {row.id for row in rows} == {row.id for row in turned}


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "parquet"])
def test_every_form_gives_the_same_rows(tmp_path: Path, form: str) -> None:
    rows = [{"q": QUESTION, "a": "7"}, {"q": 'two "quotes",\nlines, ü', "a": "8"}]
    path = tmp_path / f"rows.{form}"
    if form == "jsonl":
        jsonl(path, rows)
    elif form == "json":
        path.write_text(json.dumps(rows))
    elif form == "csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["q", "a"])
            writer.writeheader()
            writer.writerows(rows)
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    loaded = load_rows(str(path), question_field="q", answer_field="a")
    assert [(row.question, row.gold) for row in loaded.rows] == [(r["q"], r["a"]) for r in rows]
    reference = make_rows(Item(question=r["q"], gold=r["a"]) for r in rows)
    assert [row.id for row in loaded.rows] == [row.id for row in reference]


def test_braces_and_percent_signs_reach_the_prompt() -> None:
    (row,) = make_rows([Item(question=QUESTION, gold="7")])
    for template in load_templates().values():
        rendered = render(template, row)
        text = rendered if isinstance(rendered, str) else rendered[-1]["content"]
        assert QUESTION in text


def test_verl_parquet_keeps_its_messages(tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "  Be brief. "},
        {"role": "user", "content": 'What is 1 + 1? Output the answer after "####".'},
    ]
    rows = [{"data_source": "x", "prompt": messages, "reward_model": {"style": "rule", "ground_truth": "2"}}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "test.parquet")
    loaded = load_rows(str(tmp_path / "test.parquet"))
    assert loaded.template == "gsm8k-hash@1" and not loaded.named
    assert render(get_template("gsm8k-boxed"), loaded.rows[0]) == messages
    assert loaded.rows[0].gold == "2"


def test_select() -> None:
    task = load_rows("sums")
    assert select(task, 3, []).rows == task.rows[:3]
    assert select(task, None, [task.rows[5].id, task.rows[2].id]).rows == (task.rows[2], task.rows[5])
    with pytest.raises(UserError, match="--limit 0: at least 1"):
        select(task, 0, [])
    with pytest.raises(UserError, match=f"near: {task.rows[0].id}"):
        select(task, None, [task.rows[0].id[:-1]])


BROKEN: dict[str, tuple[str, str]] = {
    "bad.jsonl": ('{"question": "a", "answer": "1"}\n{"question": \n', "line 2 is not JSON"),
    "bad.json": ('[{"question": "a",\n "answer": }]', "line 2 is not JSON"),
    "object.json": ('{"question": "a"}', "not a list of objects"),
    "list.jsonl": ("[1]\n", "row 1 is list"),
    "fields.jsonl": ('{"prompt": "a", "gold": "1"}\n', "no field 'question'; name one of prompt, gold"),
    "number.jsonl": ('{"question": 5, "answer": "1"}\n', "the question is 5, not a text"),
    "empty.jsonl": ("\n\n", "no rows"),
    "comma.csv": (
        "question,answer\nHow far?,1,234\n",
        "row 1 has more fields than the header ('234' is over)",
    ),
    "twice.csv": ("question,answer,answer\nHow far?,1,2\n", "two columns 'answer'"),
    "latin.csv": ("question,answer\n\udce4,1\n", "no CSV in UTF-8"),
    "bad.parquet": ("PAR1", "no parquet file"),
    "answered.json": (
        '[{"prompt": [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}], '
        '"reward_model": {"ground_truth": "2"}}]',
        "`prompt` ends with the turn of assistant",
    ),
    "verl.json": ('[{"prompt": [{"role": "system"}], "reward_model": {}}]', "messages with role and content"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_named_in_one_line(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError) as caught:
        load_rows(str(tmp_path / name))
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_a_table_without_commas_comes_with_the_command_that_makes_them(tmp_path: Path, sign: str) -> None:
    file = tmp_path / "it's a table.csv"
    file.write_text(f"question{sign}answer\nHow far, in km?{sign}007\n")
    with pytest.raises(UserError, match="between its columns, not commas; python -c ") as caught:
        load_rows(str(file))
    command, _, name = str(caught.value).partition("commas; ")[2].rpartition(" writes ")
    subprocess.run([sys.executable, *shlex.split(command)[1:]], check=True)
    (row,) = load_rows(str(tmp_path / name)).rows
    assert (row.question, row.fields["answer"]) == ("How far, in km?", "007")


def test_commas_at_the_end_of_a_csv_line_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("question,answer\nHow far?,1,,\n")
    assert load_rows(str(tmp_path / "a.csv")).rows[0].gold == "1"


def test_a_question_is_not_its_own_answer(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n')
    with pytest.raises(UserError, match="both read from the field 'question'"):
        load_rows(str(tmp_path / "mine.jsonl"), answer_field="question")


@pytest.mark.parametrize(
    ("task", "split", "message"),
    [
        ("gsm9k", None, "near: gsm8k"),
        ("sums", "tset", "no split 'tset', only test, train; try --split test"),
        ("sums:abc", None, "try sums:999"),
        ("rg:chain_sums", None, "near: chain_sum"),
        ("missing.jsonl", None, "no file missing.jsonl"),
    ],
)
def test_unknown_names(task: str, split: str | None, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load_rows(task, split)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_data_folder_without_the_task_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no gsm8k/test\.jsonl in"):
        load_rows("gsm8k", data=tmp_path)
