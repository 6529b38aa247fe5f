"""Training data: the rows that are kept out, counted and refused, and the parquet that verl gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.locks.overlap import locked_overlap, question_overlap
from evalkit.locks.parquet import prompt_messages
from evalkit.models.smollm2 import smollm2_folder
from evalkit.records import Row, Sampling
from evalkit.tasks.load import load_rows
from evalkit.tasks.task import Task
from prompts.errors import Mismatch, UserError
from prompts.lock import difference_of_locks, ids_sha256, read_lock
from prompts.registry import get_template
from prompts.tokens import encode, load_tokenizer
from trainkit.data.dataset import Dataset, write_dataset
from trainkit.data.rows import DataOptions, load_training_rows, split_rows

SAMPLING = asdict(Sampling(temperature=1.0, samples=8, max_tokens=16))


def options(task: str = "sums", **changes: Any) -> DataOptions:
    values: dict[str, Any] = {"model": smollm2_folder(), "task": task, "max_prompt_tokens": 1024}
    return DataOptions(**{**values, "sampling": SAMPLING, **changes})


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_dataset(options(), tmp_path_factory.mktemp("sums"))


def column(path: Path, name: str) -> list[Any]:
    return list(pyarrow.parquet.read_table(path).column(name).to_pylist())


def ids(path: Path) -> list[str]:
    return [extra["id"] for extra in column(path, "extra_info")]


def write_rows(path: Path, rows: list[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_in_are_rows_out(sums: Dataset) -> None:
    source = load_rows("sums", "train")
    train, validation = ids(sums.train), ids(sums.validation)
    assert sorted(train + validation) == sorted(row.id for row in source.rows)
    assert not set(train) & set(validation)
    assert (len(train), len(validation)) == (245, 27) == (sums.counts["train"], sums.counts["validation"])
    assert train == [row.id for row in source.rows if row.id in set(train)], "the order of the task"


def test_columns_are_what_verl_reads(sums: Dataset) -> None:
    rows = {row.id: row for row in load_rows("sums", "train").rows}
    template = get_template("sums")
    table = pyarrow.parquet.read_table(sums.train).to_pylist()
    for index, line in enumerate(table):
        row = rows[line["extra_info"]["id"]]
        assert line["prompt"] == prompt_messages(template, row.question)
        assert line["reward_model"] == {"style": "rule", "ground_truth": row.gold}
        extra = {"split": "train", "index": index, "id": row.id, "question": row.question}
        assert line["extra_info"] == extra
        assert line["data_source"] == "sums"
    assert {extra["split"] for extra in column(sums.validation, "extra_info")} == {"validation"}


def test_verl_itself_reads_every_row(sums: Dataset) -> None:
    """verl's own data set, with its own filter on, drops nothing and renders the ids of the lock."""
    pytest.importorskip("verl")
    from omegaconf import OmegaConf
    from verl.utils.dataset.rl_dataset import RLHFDataset

    tokenizer = load_tokenizer(smollm2_folder())
    settings = {"max_prompt_length": sums.counts["longest_prompt"], "filter_overlong_prompts": True}
    config = OmegaConf.create({**settings, "truncation": "error"})
    data = RLHFDataset([str(sums.train)], tokenizer, config)
    assert len(data) == sums.counts["train"]
    template = get_template("sums")
    for line in (data[0], data[len(data) - 1]):
        mine = encode(tokenizer, line["raw_prompt"], template.chat_template_kwargs)
        assert ids_sha256(mine) == sums.lock.data["prompts"][line["extra_info"]["id"]]


def test_locks_travel(sums: Dataset) -> None:
    assert read_lock(sums.train) == read_lock(sums.train.parent) == sums.lock
    kept_out = read_lock(sums.validation)
    assert kept_out is not None
    assert difference_of_locks(sums.lock, kept_out, ("reading", "budget")) == []
    assert set(sums.lock.data["prompts"]) == set(ids(sums.train))
    assert set(kept_out.data["prompts"]) == set(ids(sums.validation))
    assert (sums.lock.data["task"], sums.lock.data["split"]) == ("sums", "train")


def test_the_same_twice_and_another_seed(sums: Dataset, tmp_path: Path) -> None:
    again = write_dataset(options(), tmp_path / "again")
    assert again.train.read_bytes() == sums.train.read_bytes()
    assert again.validation.read_bytes() == sums.validation.read_bytes()
    other = write_dataset(options(seed=1), tmp_path / "other")
    assert set(ids(other.validation)) != set(ids(sums.validation))


def test_limit_takes_the_first_rows(sums: Dataset, tmp_path: Path) -> None:
    first = write_dataset(options(limit=40), tmp_path)
    assert (first.counts["train"], first.counts["validation"]) == (40, 4)
    assert set(ids(first.validation)) <= set(ids(sums.validation)), "a smaller slice of the same draw"
    with pytest.raises(UserError, match="--limit 0"):
        write_dataset(options(limit=0), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def made_rows(golds: list[str]) -> tuple[Row, ...]:
    return tuple(Row(id=f"{n:04}", question=f"Question {n}", gold=gold) for n, gold in enumerate(golds))


@given(st.integers(2, 6000), st.integers(0, 3), st.one_of(st.none(), st.integers(1, 300)), st.randoms())
def test_slice_depends_on_content_and_seed_only(size: int, seed: int, limit: int | None, random: Any) -> None:
    rows = made_rows(["1"] * size)
    shuffled = list(rows)
    random.shuffle(shuffled)
    model = Path("unused")
    asked = DataOptions(model=model, task="t", max_prompt_tokens=1, sampling={}, seed=seed, limit=limit)
    one = split_rows(asked, Task(name="t", split="train", rows=rows, template="", max_tokens=1), rows)
    other = split_rows(
        asked, Task(name="t", split="train", rows=tuple(shuffled), template="", max_tokens=1), shuffled
    )
    used = min(size, limit or size)
    assert len(one.validation) == min(512, max(1, round(used / 10)))
    assert {row.id for row in one.validation} == {row.id for row in other.validation}
    train, kept_out = {row.id for row in one.train}, {row.id for row in one.validation}
    assert not train & kept_out and len(train) == len(one.train)
    assert len(train) == min(used, size - len(kept_out))


def test_long_prompts_are_counted_and_left_out(sums: Dataset, tmp_path: Path) -> None:
    tokenizer, template = load_tokenizer(smollm2_folder()), get_template("sums")
    lengths = [
        len(encode(tokenizer, prompt_messages(template, extra["question"])))
        for extra in column(sums.train, "extra_info")
    ]
    limit = max(lengths) - 1
    fits = sum(length <= limit for length in lengths)
    assert 0 < fits < len(lengths)
    dataset = write_dataset(options(max_prompt_tokens=limit), tmp_path)
    assert dataset.counts["train"] == fits == len(ids(dataset.train))
    assert dataset.counts["too_long_train"] == len(lengths) - fits
    assert dataset.counts["longest_prompt"] <= limit
    with pytest.raises(UserError, match="longer than 3 tokens; raise --prompt-length"):
        write_dataset(options(max_prompt_tokens=3), tmp_path / "none")


def test_validate_on_test_is_marked(tmp_path: Path) -> None:
    dataset = write_dataset(options(validate="test"), tmp_path)
    assert dataset.marks == ("validate on test",)
    assert dataset.counts["train"] == 272, "nothing is kept out"
    assert sorted(ids(dataset.validation)) == sorted(row.id for row in load_rows("sums", "test").rows)
    lock = read_lock(dataset.validation)
    assert lock is not None and lock.data["split"] == "test"


def test_train_on_test_is_refused(tmp_path: Path) -> None:
    """A test split that shares two questions, one with other case and spaces."""
    folder = tmp_path / "gsm8k"
    folder.mkdir()
    lines = [{"question": f"How many are {n} and {n}?", "answer": f"Twice.\n#### {2 * n}"} for n in range(50)]
    write_rows(folder / "train.jsonl", lines)
    shared = [lines[7], {**lines[9], "question": lines[9]["question"].upper().replace(" ", "  ")}]
    one = {"question": "What is one?", "answer": "#### 1"}
    write_rows(folder / "test.jsonl", [one, *shared])
    asked = options("gsm8k", data=tmp_path, validate="test")
    with pytest.raises(Mismatch, match="2 of the 3 test questions of gsm8k stand in its training rows"):
        write_dataset(asked, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    allowed = write_dataset(replace(asked, allow_overlap=True), tmp_path / "out")
    assert allowed.marks == ("validate on test", "overlap")


def test_golds_that_cannot_be_scored_stop_it(tmp_path: Path) -> None:
    lines = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in range(30)]
    lines[3]["answer"], lines[4]["answer"] = "many", ""
    path = write_rows(tmp_path / "mine.jsonl", lines)
    with pytest.raises(UserError, match=r"2 of 30 rows of mine cannot be scored by rule last-number"):
        write_dataset(options(str(path), template="sums"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_of_ones_own_is_trained_on(tmp_path: Path) -> None:
    lines = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in range(30)]
    path = write_rows(tmp_path / "mine.jsonl", [*lines, lines[5]])
    dataset = write_dataset(options(str(path), template="sums"), tmp_path / "out")
    assert dataset.counts["rows"] == 31 and dataset.counts["repeated"] == 1
    assert dataset.counts["train"] + dataset.counts["validation"] == 30
    with pytest.raises(UserError, match="2 are needed"):
        write_dataset(options(str(write_rows(tmp_path / "one.jsonl", lines[:1]))), tmp_path / "none")


def test_prompts_from_elsewhere_are_no_task(sums: Dataset) -> None:
    with pytest.raises(UserError, match="--parquet"):
        load_training_rows(str(sums.train), None)


def test_raw_template(tmp_path: Path) -> None:
    """A raw prompt travels as the content of one message; the lock holds the ids without chat template."""
    lines = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in range(20)]
    path = write_rows(tmp_path / "mine.jsonl", lines)
    dataset = write_dataset(options(str(path), template="gsm8k-raw"), tmp_path / "out")
    tokenizer = load_tokenizer(smollm2_folder())
    extras = column(dataset.train, "extra_info")
    for (message,), extra in zip(column(dataset.train, "prompt"), extras, strict=True):
        mine = encode(tokenizer, message["content"])
        assert dataset.lock.data["prompts"][extra["id"]] == ids_sha256(mine)


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        write_dataset(options(), blocked / "out")


@pytest.mark.parametrize("change", [lambda d: d.train, lambda d: d.validation])
def test_scoring_knows_what_was_trained_on(sums: Dataset, change: Callable[[Dataset], Path]) -> None:
    rows = load_rows("sums", "train").rows
    tokenizer, template = load_tokenizer(smollm2_folder()), get_template("sums")
    chosen = [row for row in rows if row.id in set(ids(change(sums)))]
    prompts = [(row.id, encode(tokenizer, prompt_messages(template, row.question))) for row in chosen]
    found = locked_overlap(sums.lock, prompts)
    assert len(found) == (len(chosen) if change(sums) == sums.train else 0)


def test_gsm8k(tmp_path: Path, data_folder: Path) -> None:
    dataset = write_dataset(options("gsm8k", template="gsm8k-boxed", data=data_folder), tmp_path)
    assert dataset.counts["validation"] == 512
    assert dataset.counts["train"] + 512 + dataset.counts["repeated"] == dataset.counts["rows"] == 7473
    assert dataset.marks == ()
    questions = [extra["question"] for extra in column(dataset.train, "extra_info")]
    assert question_overlap(questions, load_rows("gsm8k", "test", data=data_folder).rows) == []
