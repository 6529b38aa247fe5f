"""Training data: the rows that are kept out, counted and refused, and the parquet that verl gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.grade.lock_entry import template_entry
from evalkit.locks.check import check_all
from evalkit.locks.overlap import locked_overlap, question_overlap
from evalkit.locks.parquet import check_parquet, prompt_messages
from evalkit.locks.parts import lock_of, lock_parts
from evalkit.models.resolve import find_model_files
from evalkit.models.smollm2 import smollm2_folder
from evalkit.records import Row
from evalkit.tasks.load import load_rows
from evalkit.tasks.task import Task
from prompts.errors import Mismatch, UserError
from prompts.lock import Lock, difference_of_locks, ids_sha256, read_lock, write_lock
from prompts.registry import get_template
from prompts.tokens import encode, load_tokenizer
from trainkit.data.dataset import Dataset, write_dataset
from trainkit.data.inputs import Inputs, Part, find_inputs
from trainkit.data.rows import keep_out
from trainkit.options import Options

MODEL = find_model_files("smollm2-135m")


def inputs(task: str | list[str] = "sums", **changes: Any) -> Inputs:
    return find_inputs(Options(model=MODEL.name, task=task, **changes), MODEL)


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_dataset(inputs(), tmp_path_factory.mktemp("sums"))


def column(path: Path, name: str) -> list[Any]:
    return list(pyarrow.parquet.read_table(path).column(name).to_pylist())


def ids(path: Path) -> list[str]:
    return [extra["id"] for extra in column(path, "extra_info")]


def write_rows(path: Path, rows: list[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


HINTED = """
name = "hinted"
version = 1
kind = "chat"
rule = "last-number"
user = '''Hint: {hint}
{question} Answer with the number only.'''
"""
OWN: dict[str, Any] = {
    "question_field": ["problem", "frage"],
    "answer_field": ["result", "antwort"],
    "validate": ["dev.jsonl"],
    "prompt": "hinted",
    "prompts": ["prompts"],
}


def made(size: int, start: int, question: str = "problem", answer: str = "result") -> list[dict[str, str]]:
    return [
        {question: f"What is {n} + {n % 7}?", answer: str(n + n % 7), "hint": f"Count up from {n}."}
        for n in range(start, start + size)
    ]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of somebody's own data, which is the working directory: two files, one to validate on."""
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "mine.jsonl", made(40, 1))
    write_rows(tmp_path / "theirs.jsonl", made(30, 100, "frage", "antwort"))
    write_rows(tmp_path / "dev.jsonl", made(10, 300))
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/hinted@1.toml").write_text(HINTED)
    return tmp_path


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
    again = write_dataset(inputs(), tmp_path / "again")
    assert again.train.read_bytes() == sums.train.read_bytes()
    assert again.validation.read_bytes() == sums.validation.read_bytes()
    other = write_dataset(inputs(seed=1), tmp_path / "other")
    assert set(ids(other.validation)) != set(ids(sums.validation))


def test_limit_takes_the_first_rows(sums: Dataset, tmp_path: Path) -> None:
    first = write_dataset(inputs(limit=40), tmp_path)
    assert (first.counts["train"], first.counts["validation"]) == (40, 4)
    assert set(ids(first.validation)) <= set(ids(sums.validation)), "a smaller slice of the same draw"
    with pytest.raises(UserError, match="--limit 0"):
        write_dataset(inputs(limit=0), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def made_rows(golds: list[str]) -> tuple[Row, ...]:
    return tuple(Row(id=f"{n:04}", question=f"Question {n}", gold=gold) for n, gold in enumerate(golds))


def part_of(rows: tuple[Row, ...]) -> Part:
    task = Task(name="t", split="train", rows=rows, template="", max_tokens=1)
    template = get_template("sums")
    return Part(source="t", asked="t", task=task, template=template, scorer=template_entry(template))


def test_a_begun_run_keeps_the_rule_of_its_lock(tmp_path: Path, sums: Dataset) -> None:
    """Every version that was released can still be called, so a run is not moved to a newer one."""
    asked = Options(model=MODEL.name, task="sums", prompt="gsm8k-boxed")  # type: ignore[arg-type]
    lock = sums.lock
    template = {**lock.reading["template"], "ref": "gsm8k-boxed@1"}
    older = {"rule": "boxed@1", "version": 2}
    write_lock(
        Lock({**lock.reading, "template": template, "scorer": older}, lock.data, lock.budget), tmp_path
    )
    assert find_inputs(asked, MODEL, tmp_path).train[0].scorer != older, "a lock that no run was begun with"
    (tmp_path / "train.json").write_text("{}")
    assert find_inputs(asked, MODEL, tmp_path).train[0].scorer == older
    assert find_inputs(asked, MODEL, tmp_path).train[0].in_job().rule == "boxed@1"


@given(st.integers(2, 6000), st.integers(0, 3), st.one_of(st.none(), st.integers(1, 300)), st.randoms())
def test_slice_depends_on_content_and_seed_only(size: int, seed: int, limit: int | None, random: Any) -> None:
    rows = made_rows(["1"] * size)
    shuffled = list(rows)
    random.shuffle(shuffled)
    trained, held = keep_out(part_of(rows), rows, seed, limit)
    _, held_shuffled = keep_out(part_of(tuple(shuffled)), shuffled, seed, limit)
    used = min(size, limit or size)
    assert len(held) == min(512, max(1, round(used / 10)))
    assert {row.id for row in held} == {row.id for row in held_shuffled}
    train, kept_out = {row.id for row in trained}, {row.id for row in held}
    assert not train & kept_out and len(train) == len(trained)
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
    dataset = write_dataset(inputs(prompt_length=limit), tmp_path)
    assert dataset.counts["train"] == fits == len(ids(dataset.train))
    assert dataset.counts["too_long_train"] == len(lengths) - fits
    assert dataset.counts["longest_prompt"] <= limit
    with pytest.raises(UserError, match="longer than 3 tokens; raise --prompt-length"):
        write_dataset(inputs(prompt_length=3), tmp_path / "none")


def test_validate_on_test_is_marked(tmp_path: Path) -> None:
    dataset = write_dataset(inputs(validate="test"), tmp_path)
    assert dataset.marks == ("validate on test",)
    assert dataset.counts["train"] == 272, "nothing is kept out"
    assert sorted(ids(dataset.validation)) == sorted(row.id for row in load_rows("sums", "test").rows)
    lock = read_lock(dataset.validation)
    assert lock is not None and lock.data["split"] == "test"


def test_train_on_test_is_refused(tmp_path: Path) -> None:
    """A test split that shares three questions, one with other case and spaces, one in wide digits."""
    folder = tmp_path / "gsm8k"
    folder.mkdir()
    lines = [{"question": f"How many are {n} and {n}?", "answer": f"Twice.\n#### {2 * n}"} for n in range(50)]
    write_rows(folder / "train.jsonl", lines)
    shared = [lines[7], {**lines[9], "question": lines[9]["question"].upper().replace(" ", "  ")}]
    shared += [{**lines[8], "question": "How many\u200b are ８ and ８ ？"}]
    one = {"question": "What is one?", "answer": "#### 1"}
    write_rows(folder / "test.jsonl", [one, *shared])
    asked = inputs("gsm8k", data=str(tmp_path), validate="test")
    with pytest.raises(Mismatch, match="3 of the 4 test questions of gsm8k stand in"):
        write_dataset(asked, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    allowed = write_dataset(
        inputs("gsm8k", data=str(tmp_path), validate="test", allow_overlap=True), tmp_path / "out"
    )
    assert allowed.marks == ("validate on test", "overlap")


def test_golds_that_cannot_be_scored_stop_it(tmp_path: Path) -> None:
    lines = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in range(30)]
    lines[3]["answer"], lines[4]["answer"] = "many", ""
    path = write_rows(tmp_path / "mine.jsonl", lines)
    with pytest.raises(UserError, match=r"2 of 30 rows of mine cannot be scored by rule last-number"):
        write_dataset(inputs(str(path), prompt="sums"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_of_ones_own_is_trained_on(tmp_path: Path) -> None:
    lines = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in range(30)]
    path = write_rows(tmp_path / "mine.jsonl", [*lines, lines[5]])
    dataset = write_dataset(inputs(str(path), prompt="sums"), tmp_path / "out")
    assert dataset.counts["rows"] == 31 and dataset.counts["repeated"] == 1
    assert dataset.counts["train"] + dataset.counts["validation"] == 30
    with pytest.raises(UserError, match="2 are needed"):
        write_dataset(inputs(str(write_rows(tmp_path / "one.jsonl", lines[:1]))), tmp_path / "none")


def test_one_question_with_two_golds_is_told(tmp_path: Path) -> None:
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(20)]
    same = {"question": "what is  7 + 1?", "answer": "8.0"}
    write_rows(tmp_path / "fine.jsonl", [*rows, same])
    assert (
        write_dataset(inputs(str(tmp_path / "fine.jsonl"), prompt="gsm8k-boxed"), tmp_path / "a").warning
        is None
    )
    write_rows(tmp_path / "two.jsonl", [*rows, {**same, "answer": "9"}])
    said = write_dataset(inputs(str(tmp_path / "two.jsonl"), prompt="gsm8k-boxed"), tmp_path / "b").warning
    assert said is not None and "ask what an earlier row asks, with another gold: 1 (" in said


def test_own_fields_validation_file_and_placeholder(own: Path, tmp_path: Path) -> None:
    """Two files with fields of their own, weighted, under a template that shows a third field."""
    dataset = write_dataset(inputs(["mine.jsonl*2", "theirs.jsonl*0.5"], **OWN), tmp_path / "out")
    assert dataset.counts["train"] == 2 * 40 + 15 == len(ids(dataset.train))
    assert dataset.counts["validation"] == 10
    assert set(column(dataset.validation, "data_source")) == {"dev"}
    (message,) = column(dataset.train, "prompt")[0]
    hint = column(dataset.train, "extra_info")[0]["prompt_fields"]["hint"]
    assert message["content"].startswith(f"Hint: {hint}\n")
    (mine, theirs) = lock_parts(dataset.lock)
    assert (mine.task, mine.weight, len(mine.ids)) == ("mine", 2.0, 40)
    assert (theirs.task, theirs.weight, len(theirs.ids)) == ("theirs", 0.5, 15)
    assert lock_of(dataset.lock, "mine").reading == dataset.lock.reading


def test_an_edited_field_is_seen(own: Path, tmp_path: Path) -> None:
    dataset = write_dataset(inputs("mine.jsonl", **OWN), tmp_path / "out")
    table = pyarrow.parquet.read_table(dataset.train)
    rows = table.to_pylist()
    rows[3]["extra_info"]["prompt_fields"]["hint"] = "The answer is 4."
    edited = pyarrow.Table.from_pylist(rows).replace_schema_metadata(table.schema.metadata)
    pyarrow.parquet.write_table(edited, dataset.train)
    template = get_template("hinted", [own / "prompts"])
    with pytest.raises(Mismatch, match="row 4"):
        check_parquet(
            dataset.train,
            template=template,
            tokenizer=load_tokenizer(MODEL.folder),
            folder=MODEL.folder,
        )


def test_rows_that_differ_in_a_shown_field_are_two(own: Path, tmp_path: Path) -> None:
    rows = [{"problem": "How many?", "result": "4", "hint": f"There are {n}."} for n in range(12)]
    write_rows(own / "mine.jsonl", [*rows, rows[2]])
    dataset = write_dataset(inputs("mine.jsonl", **OWN), tmp_path / "out")
    assert (dataset.counts["train"], dataset.counts["repeated"]) == (12, 1)


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda rows: rows[11].pop("hint"), {}, r"mine row 12 .*no text in the field 'hint'"),
        (
            lambda rows: rows[11].pop("problem"),
            {},
            r"mine.jsonl row 12 has no field 'problem'; the rows before it have one; correct that row",
        ),
        (lambda rows: rows[11].update(hint=["a"]), {}, r"mine row 12 .*it is \['a'\]"),
        (lambda rows: None, {"answer_field": ["hint"]}, "is the field of mine that holds the gold"),
        (lambda rows: None, {"validate": ["mine.jsonl"]}, "40 of the 40 rows of mine, .*trained on too"),
        (lambda rows: None, {"validate": ["empty.jsonl"]}, "no rows"),
        (lambda rows: None, {"validate": ["tets"]}, "--validate knows train and test; .*unknown task 'tets'"),
        (lambda rows: None, {"validate": ["test"]}, "mine.jsonl has no test split"),
        (lambda rows: None, {"task": ["mine.jsonl", "mine.jsonl"]}, "names mine twice"),
        (lambda rows: None, {"task": ["mine.jsonl*nan"]}, "a number above 0"),
    ],
)
def test_bad_data_is_one_sentence(
    own: Path, tmp_path: Path, change: Callable[[list[Any]], object], options: dict[str, Any], says: str
) -> None:
    rows = [json.loads(line) for line in (own / "mine.jsonl").read_text().splitlines()]
    change(rows)
    write_rows(own / "mine.jsonl", rows)
    (own / "empty.jsonl").touch()
    with pytest.raises(UserError, match=says):
        write_dataset(inputs(**{"task": ["mine.jsonl"], **OWN, **options}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tasks_under_their_own_templates(tmp_path: Path, model_copy: Callable[[str], Path]) -> None:
    lines = [{"question": f"{n} plus 1?", "answer": str(n + 1)} for n in range(100, 130)]
    path = write_rows(tmp_path / "mine.jsonl", lines)
    dataset = write_dataset(inputs(["sums", str(path)], validate=["train", "test"]), tmp_path / "out")
    sums, mine = lock_parts(dataset.lock)
    assert (sums.reading["template"]["ref"], mine.reading["template"]["ref"]) == ("sums@1", "gsm8k-boxed@1")
    held = read_lock(dataset.validation)
    assert held is not None and [part.task for part in lock_parts(held)] == ["sums", "mine", "sums test"]
    assert dataset.lock.data["marks"] == ["validate on test"] == list(dataset.marks)
    for parquet in (dataset.train, dataset.validation):
        assert check_all("smollm2-135m", data=parquet) == read_lock(parquet)
    checkpoint = model_copy("checkpoint")
    write_lock(dataset.lock, checkpoint)
    assert check_all(str(checkpoint), data=dataset.train) == dataset.lock
    lock = json.loads((checkpoint / "prompt.lock.json").read_text())
    lock["reading"]["parts"]["mine"]["template"]["sha256"] = "0" * 64
    write_lock(Lock(lock["reading"], lock["data"], lock["budget"]), checkpoint)
    with pytest.raises(Mismatch):
        check_all(str(checkpoint))


def test_a_verl_parquet_is_trained_on_as_it_is(sums: Dataset, tmp_path: Path) -> None:
    dataset = write_dataset(inputs(str(sums.train)), tmp_path / "out")
    before, after = column(sums.train, "prompt"), column(dataset.train, "prompt")
    assert after and all(messages in before for messages in after)
    assert dataset.lock.data["task"] == "sums"
    table = pyarrow.parquet.read_table(sums.train)
    rows = table.to_pylist()
    rows[0]["prompt"][0]["content"] += " Think hard."
    edited = tmp_path / "edited.parquet"
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(rows).replace_schema_metadata(table.schema.metadata), edited
    )
    with pytest.raises(Mismatch, match="row 1"):
        write_dataset(inputs(str(edited)), tmp_path / "none")
    own = tmp_path / "own.parquet"  # made elsewhere: no lock, messages of its own
    for row in rows:
        row["extra_info"] = {"index": row["extra_info"]["index"]}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), own)
    foreign = write_dataset(inputs(str(own)), tmp_path / "foreign")
    assert column(foreign.train, "prompt")[0][0]["content"] == rows[0]["prompt"][0]["content"]


def test_conversations_end_with_the_user(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello."}]
    lines = [
        {"messages": [*turns, {"role": "user", "content": f"{n} + 1?"}], "answer": str(n + 1)}
        for n in range(20)
    ]
    path = write_rows(tmp_path / "talk.jsonl", lines)
    dataset = write_dataset(inputs(str(path), prompt="sums"), tmp_path / "out")
    assert [turn["role"] for turn in column(dataset.train, "prompt")[0]] == ["user", "assistant", "user"]
    with pytest.raises(UserError, match="raw template"):
        inputs(str(path), prompt="gsm8k-raw")
    write_rows(path, [*lines, {"messages": turns, "answer": "1"}])
    with pytest.raises(UserError, match=r"row 21.*last turn must be the user's"):
        inputs(str(path), prompt="sums")


def test_raw_template(tmp_path: Path) -> None:
    """A raw prompt travels as the content of one message; the lock holds the ids without chat template."""
    lines = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in range(20)]
    path = write_rows(tmp_path / "mine.jsonl", lines)
    dataset = write_dataset(inputs(str(path), prompt="gsm8k-raw"), tmp_path / "out")
    tokenizer = load_tokenizer(smollm2_folder())
    extras = column(dataset.train, "extra_info")
    for (message,), extra in zip(column(dataset.train, "prompt"), extras, strict=True):
        mine = encode(tokenizer, message["content"])
        assert dataset.lock.data["prompts"][extra["id"]] == ids_sha256(mine)


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        write_dataset(inputs(), blocked / "out")


@pytest.mark.parametrize("change", [lambda d: d.train, lambda d: d.validation])
def test_scoring_knows_what_was_trained_on(sums: Dataset, change: Callable[[Dataset], Path]) -> None:
    rows = load_rows("sums", "train").rows
    tokenizer, template = load_tokenizer(smollm2_folder()), get_template("sums")
    chosen = [row for row in rows if row.id in set(ids(change(sums)))]
    prompts = [(row.id, encode(tokenizer, prompt_messages(template, row.question))) for row in chosen]
    found = locked_overlap(sums.lock, prompts)
    assert len(found) == (len(chosen) if change(sums) == sums.train else 0)


def test_gsm8k(tmp_path: Path, data_folder: Path) -> None:
    dataset = write_dataset(inputs("gsm8k", prompt="gsm8k-boxed", data=str(data_folder)), tmp_path)
    assert dataset.counts["validation"] == 512
    assert dataset.counts["train"] + 512 + dataset.counts["repeated"] == dataset.counts["rows"] == 7473
    assert dataset.marks == ()
    questions = [extra["question"] for extra in column(dataset.train, "extra_info")]
    assert question_overlap(questions, load_rows("gsm8k", "test", data=data_folder).rows) == []
