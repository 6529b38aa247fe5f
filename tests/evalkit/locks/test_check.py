"""Tampering is caught with exit code 3 and a diff a person can read; harmless changes never are."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from locked import edit_json, edit_rows, lock_of, locked, parquet, write
from opening_model import opening_model
from places import ROOT

from evalkit.grade.lock_entry import scorer_entry, scorer_like
from evalkit.locks.adopt import adopt
from evalkit.locks.check import check_all
from evalkit.locks.difference import require_same, token_diff
from evalkit.locks.overlap import locked_overlap, refuse_overlap
from evalkit.locks.parquet import check_parquet
from evalkit.models.resolve import resolve_model
from evalkit.score.plan import plan_run, select
from evalkit.tasks.load import load_rows
from prompts.errors import Mismatch, UserError
from prompts.lock import FILE_NAME, PARQUET_KEY, read_lock, write_lock
from prompts.registry import get_template
from prompts.release import release
from prompts.render import render_question
from prompts.tokens import encode, load_tokenizer, resolve_stop_ids

NAME = "gsm8k-boxed@1"
MINE = """
name = "mine"
version = 1
kind = "chat"
rule = "boxed"
system = "You are good at sums."
user = '{question} Put the answer into \\boxed{}.'
[[turns]]
question = "What is 1 + 1?"
answer = 'It is \\boxed{2}.'
"""


@pytest.fixture(scope="session")
def locked_model(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with a lock, not to be changed."""
    folder = tmp_path_factory.mktemp("locked") / "model"
    folder.mkdir()
    for file in smollm2.iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
    return locked(folder, NAME)


@pytest.fixture
def model(locked_model: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in locked_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture(scope="session")
def locked_rows(locked_model: Path) -> Path:
    """A training parquet of that model, not to be changed."""
    return parquet(locked_model, locked_model.parent / "rows.parquet")


@pytest.fixture
def rows(locked_rows: Path, tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    path.write_bytes(locked_rows.read_bytes())
    return path


def caught(**arguments: Any) -> str:
    """The message and diff of a mismatch."""
    with pytest.raises(Mismatch) as error:
        check_all(**arguments)
    assert error.value.exit_code == 3
    assert "\n" not in str(error.value)
    return f"{error.value}\n{error.value.detail}"


# Tampering with a model folder: what is changed, and what the diff must show.
def edit_vocabulary(folder: Path) -> None:
    def swap(content: dict[str, Any]) -> None:
        vocabulary = content["model"]["vocab"]
        vocabulary["ĠHow"], vocabulary["ĠWhat"] = vocabulary["ĠWhat"], vocabulary["ĠHow"]

    edit_json(folder / "tokenizer.json", swap, ensure_ascii=False)


def add_token(folder: Path) -> None:
    def add(content: dict[str, Any]) -> None:
        content["added_tokens"].append({**content["added_tokens"][-1], "id": 49152, "content": "pencils"})

    edit_json(folder / "tokenizer.json", add, ensure_ascii=False)


def edit_chat_template(old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "chat_template.jinja"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return edit


TAMPERED_FILES = {
    "chat template's wording": (
        edit_chat_template("assistant\n' }}{% endif", "assistant\nSure! ' }}{% endif"),
        ("chat template", "+'Sure! '", "first differing token", "Sure"),
    ),
    "chat template's system message": (
        edit_chat_template("a helpful AI", "an unhelpful AI"),
        ("system", "-You are a helpful AI", "+You are an unhelpful AI", "[' an' = ", "[' a' = "),
    ),
    "chat template's spaces": (
        edit_chat_template("{% endfor %}", "{% endfor %} "),
        ("chat template", "first differing token"),
    ),
    "no chat template": (
        lambda folder: (folder / "chat_template.jinja").unlink(),
        ("cannot render that any more", "no chat template"),
    ),
    "tokenizer's vocabulary": (edit_vocabulary, ("tokenizer.vocabulary", "first differing token: number 43")),
    "tokenizer's added tokens": (add_token, ("tokenizer.added_tokens", "first differing token", "pencils")),
    "tokenizer's merges": (
        lambda folder: edit_json(
            folder / "tokenizer.json", lambda c: c["model"]["merges"].reverse(), ensure_ascii=False
        ),
        ("tokenizer.merges",),
    ),
    "tokenizer's normalizer": (
        lambda folder: edit_json(
            folder / "tokenizer.json",
            lambda c: c.update(normalizer={"type": "Lowercase"}),
            ensure_ascii=False,
        ),
        ("tokenizer.normalizer", "first differing token"),
    ),
    "end token of the tokenizer": (
        lambda folder: edit_json(
            folder / "tokenizer_config.json", lambda c: c.update(eos_token="<|endoftext|>", eos_token_id=0)
        ),
        ("tokenizer.eos_token_id: 2 | 0",),
    ),
    "end tokens of generation_config.json": (
        lambda folder: edit_json(
            folder / "generation_config.json", lambda c: c.update(eos_token_id=[0, 2])
        ),
        ("stop_ids: [2] | [0, 2]", "generation_config.json"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED_FILES)
def test_a_tampered_model_folder_is_caught(model: Path, name: str) -> None:
    tamper, shown = TAMPERED_FILES[name]
    tamper(model)
    text = caught(model=str(model))
    for part in shown:
        assert part in text
    assert "bring back the tokenizer files and generation_config.json" in text


def test_another_prompt_is_caught_with_the_right_command(model: Path) -> None:
    text = caught(model=str(model), prompt="gsm8k-hash")
    assert f"evalkit score --model {model} --task sums --prompt {NAME}" in text
    assert "-Please reason step by step, and put your final answer within \\boxed{}." in text
    assert "+#### <number>" in text
    assert "['Please' = " in text and "['Reason' = " in text


TAMPERED_TEMPLATES = {
    "text": ("Put the answer", "Write the answer", ("+", "Write the answer", "[' Put' = ", "[' Write' = ")),
    "system message": ("good at sums", "bad at sums", ("-You are good at sums", "+You are bad at sums")),
    "worked example": ("It is", "That is", ("turns_sha256", "+It", "That is \\boxed{2}.")),
    "extraction rule": ('"boxed"', '"last-number"', ("scorer.rule: boxed@3 | last-number",)),
    "kwargs of the chat template": (
        "[[turns]]",
        "[chat_template_kwargs]\nenable_thinking = false\n[[turns]]",
        ("kwargs.enable_thinking: None | False",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("released", [True, False], ids=["released", "draft"])
@pytest.mark.parametrize("name", TAMPERED_TEMPLATES)
def test_a_tampered_template_is_caught(model: Path, tmp_path: Path, name: str, released: bool) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    path = folder / "mine@1.toml"
    path.write_text(MINE)
    if released:
        release("mine@1", folder)
    locked(model, "mine@1", [folder])
    assert check_all(str(model), extra=[folder]).template == "mine@1"
    old, new, shown = TAMPERED_TEMPLATES[name]
    assert old in MINE
    path.write_text(MINE.replace(old, new, 1))
    text = caught(model=str(model), extra=[folder])
    for part in shown:
        assert part.removeprefix("+It") in text
    assert "undo the edit of mine@1, or make a new version: evalkit prompts new mine" in text
    assert (f"{path} was edited after its release as mine@1" in text) is released


# Tampering with a training parquet.
def strip_lock(path: Path) -> None:
    write(pyarrow.parquet.read_table(path).to_pylist(), path, None)


def set_message(row: dict[str, Any]) -> None:
    row["prompt"][-1]["content"] += " Think!"


def set_question(row: dict[str, Any]) -> None:
    row["extra_info"]["question"] = row["prompt"][-1]["content"] = "What is 1 + 0?"


def set_system(row: dict[str, Any]) -> None:
    row["prompt"][0]["content"] = "You do sums well."


TAMPERED_ROWS = {
    "no lock": (strip_lock, ("carries no prompt lock", "trainkit data")),
    "row added": (lambda p: edit_rows(p, lambda r: r.append(other_row())), ("rows added: 0 | 1 rows",)),
    "row twice": (lambda p: edit_rows(p, lambda r: r.append(r[0])), ("holds 41 rows, its lock says 40",)),
    "row removed": (lambda p: edit_rows(p, lambda r: r.pop(3)), ("rows missing: 1 | 0 rows",)),
    "prompt edited": (
        lambda p: edit_rows(p, lambda r: set_message(r[2])), ("row 3", "0 more of 40", "+What is", " Think!"),
    ),
    "all prompts edited": (
        lambda p: edit_rows(p, lambda r: [set_message(row) for row in r]), ("row 1", "39 more of 40"),
    ),
    "system message edited": (
        lambda p: edit_rows(p, lambda r: [set_system(row) for row in r]),
        ("-You do sums.", "+You do sums well."),
    ),
    "question edited": (lambda p: edit_rows(p, lambda r: set_question(r[5])), ("row 6", "1 + 0")),
    "gold edited": (
        lambda p: edit_rows(p, lambda r: r[4]["reward_model"].update(ground_truth="7")), ("row 5", "gold: 7"),
    ),
    "id edited": (
        lambda p: edit_rows(p, lambda r: r[4]["extra_info"].update(id="00ff")), ("row 5", "id 00ff"),
    ),
}  # fmt: skip


def other_row() -> dict[str, Any]:
    row = load_rows("sums", "test").rows[0]
    return {
        "data_source": "sums",
        "prompt": render_question(get_template("sums"), row.question),
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": row.gold},
        "extra_info": {"split": "train", "index": 40, "id": row.id, "question": row.question},
    }


@pytest.mark.parametrize("name", TAMPERED_ROWS)
def test_a_tampered_parquet_is_caught(smollm2: Path, rows: Path, name: str) -> None:
    tamper, shown = TAMPERED_ROWS[name]
    assert check_all(str(smollm2), data=rows).data["rows"] == 40
    tamper(rows)
    text = caught(model=str(smollm2), data=rows, prompt="sums")
    for part in shown:
        assert part in text


def test_a_parquet_of_another_task_or_prompt_is_caught(model: Path, rows: Path) -> None:
    text = caught(model=str(model), data=rows)
    assert f"trainkit data FOLDER --model {model} --task sums --prompt gsm8k-boxed@1" in text
    assert "-You do sums." in text and "template.ref: sums@1 | gsm8k-boxed@1" in text
    tokenizer = load_tokenizer(model)
    arguments: dict[str, Any] = {"template": get_template("sums"), "tokenizer": tokenizer, "folder": model}
    check_parquet(rows, **arguments, task="sums", split="train")
    with pytest.raises(Mismatch, match="was rendered for task 'sums', asked for is 'gsm8k'"):
        check_parquet(rows, **arguments, task="gsm8k")
    with pytest.raises(Mismatch, match="was rendered for split 'train', asked for is 'test'"):
        check_parquet(rows, **arguments, split="test")


def test_a_swapped_parquet_is_caught(model: Path, tmp_path: Path) -> None:
    """Same template, same tokenizer, same task: but not the rows that the checkpoint was trained on."""
    locked(model, "sums@1")
    other = parquet(model, tmp_path / "other.parquet", task="sums:99")
    text = caught(model=str(model), data=other)
    assert "give its own parquet to --data" in text
    assert "rows missing" in text and "task: sums | sums:99" in text


def test_a_parquet_under_a_changed_tokenizer_is_caught(model: Path, rows: Path) -> None:
    (model / FILE_NAME).unlink()
    edit_vocabulary(model)
    assert "tokenizer.vocabulary" in caught(model=str(model), data=rows)


@pytest.mark.parametrize("content", [b"", b"id,question\n1,2\n"])
def test_what_is_no_parquet_is_named(smollm2: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x.parquet is no parquet file") as error:
        check_all(str(smollm2), data=path, prompt="sums")
    assert error.value.exit_code == 2


# Harmless changes: of the folder, of the rows, of the machine.
def resave(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        tokenizer = load_tokenizer(folder)
        change(tokenizer)
        tokenizer.save_pretrained(folder)

    return act


def merges_as(form: Callable[[list[str]], Any]) -> Callable[[Path], None]:
    def edit(content: dict[str, Any]) -> None:
        content["model"]["merges"] = [form(merge) for merge in content["model"]["merges"]]

    return lambda folder: edit_json(folder / "tokenizer.json", edit, ensure_ascii=False)


def template_into_config(folder: Path) -> None:
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    edit_json(folder / "tokenizer_config.json", lambda c: c.update(chat_template=template))


def reorder(content: dict[str, Any]) -> None:
    for key in sorted(content):
        content[key] = content.pop(key)


HARMLESS_FILES: dict[str, Callable[[Path], Any]] = {
    "another folder": lambda f: f.rename(f.with_name("moved")),
    "saved again": resave(lambda t: None),
    "saved after a padded call": resave(lambda t: t(["a", "b c d"], padding="max_length", max_length=9)),
    "saved after a truncated call": resave(lambda t: t("a b c d e f", truncation=True, max_length=2)),
    "pad token set": resave(lambda t: setattr(t, "pad_token", "<|endoftext|>")),
    "padding on the left": resave(lambda t: setattr(t, "padding_side", "left")),
    "another length limit": resave(lambda t: setattr(t, "model_max_length", 2048)),
    "merges as strings": merges_as(" ".join),
    "merges as pairs": merges_as(list),
    "tokenizer.json on one line": lambda f: edit_json(f / "tokenizer.json", lambda c: None),
    "tokenizer.json in another order": lambda f: edit_json(f / "tokenizer.json", reorder, indent=4),
    "chat template in the configuration": template_into_config,
    "another tokenizer class": lambda f: edit_json(
        f / "tokenizer_config.json", lambda c: c.update(tokenizer_class="PreTrainedTokenizerFast")
    ),
    "sampling defaults": lambda f: edit_json(
        f / "generation_config.json", lambda c: c.update(temperature=0.3, top_p=0.8, do_sample=True)
    ),
    "end token as a list": lambda f: edit_json(
        f / "generation_config.json", lambda c: c.update(eos_token_id=[2])
    ),
    "no generation_config.json": lambda f: (f / "generation_config.json").unlink(),
    "another version of transformers": lambda f: edit_json(
        f / "config.json", lambda c: c.update(transformers_version="4.0.0", dtype="float32")
    ),
    "the lock formatted anew": lambda f: edit_json(f / FILE_NAME, reorder, indent=1),
    "other files beside it": lambda f: (f / "vocab.json").write_text("{}"),
    "another response limit": lambda f: relock(f, budget={"max_tokens": 9999}),
    "shorter training data": lambda f: relock(
        f, data={"task": "sums", "split": "train", "rows": 0, "prompts": {}}
    ),
}


def relock(folder: Path, **sections: Any) -> None:
    from dataclasses import replace

    lock = read_lock(folder)
    assert lock is not None
    write_lock(replace(lock, **sections), folder)


@pytest.mark.parametrize("name", HARMLESS_FILES)
def test_harmless_changes_of_a_folder_pass(model: Path, name: str) -> None:
    before = read_lock(model)
    assert before is not None
    HARMLESS_FILES[name](model)
    folder = model if model.exists() else model.with_name("moved")
    assert check_all(str(folder)).fingerprint == before.fingerprint


def split_files(path: Path) -> None:
    write(
        pyarrow.parquet.read_table(path).to_pylist(),
        path,
        read_lock(path),
        row_group_size=7,
        compression="zstd",
    )


HARMLESS_ROWS: dict[str, Callable[[Path], Any]] = {
    "row order": lambda p: edit_rows(p, random.Random(0).shuffle),
    "row groups and compression": split_files,
    "another column": lambda p: edit_rows(p, lambda r: [row.update(note="x") for row in r]),
    "another index": lambda p: edit_rows(p, lambda r: [row["extra_info"].update(index=9) for row in r]),
    "column order": lambda p: edit_rows(p, lambda r: [reorder(row) for row in r]),
}


@pytest.mark.parametrize("name", HARMLESS_ROWS)
def test_harmless_changes_of_a_parquet_pass(smollm2: Path, rows: Path, name: str) -> None:
    HARMLESS_ROWS[name](rows)
    assert check_all(str(smollm2), data=rows).template == "sums@1"


def test_another_task_keeps_everything_but_the_template(model: Path) -> None:
    trained = read_lock(model)
    assert trained is not None
    other = lock_of(model, "sums@1")
    require_same(trained, other, what="m", model="m", other_task=True)
    with pytest.raises(Mismatch):
        require_same(trained, other, what="m", model="m")
    edit_chat_template("<|im_end|>", "<|im_end|> ")(model)
    with pytest.raises(Mismatch, match="differ now: chat template"):
        require_same(trained, lock_of(model, "sums@1"), what="m", model="m", other_task=True)


def test_a_newer_rule_or_scorer_locks_no_checkpoint_out(model: Path) -> None:
    lock = read_lock(model)
    assert lock is not None
    older = {**lock.reading, "scorer": {"rule": "boxed@1", "version": 0}}
    relock(model, reading=older)
    assert check_all(str(model)).reading == older
    template = get_template("gsm8k-boxed")
    assert scorer_like({"rule": "boxed@1", "version": 2}, template) == {"rule": "boxed@1", "version": 2}
    assert scorer_like({"rule": "boxed@1", "version": 0}, template) == {"rule": "boxed@1", "version": 2}, (
        "the oldest that is still here"
    )
    assert scorer_like({"rule": "hash@1", "version": 0}, template) == scorer_entry("boxed")
    with pytest.raises(UserError):
        scorer_like({"rule": "boxed@99", "version": 1}, template)
    for version in (99, -1):
        with pytest.raises(UserError, match=rf"names version {version} of the scorer.*upgrade it"):
            scorer_like({"rule": "boxed@1", "version": version}, template)


def test_thinking_is_read_in_the_version_of_the_lock(smollm2: Path, tmp_path: Path) -> None:
    model = opening_model(smollm2, tmp_path / "model")
    lock = lock_of(model, "sums@1")
    assert lock.reading["thinking"]["version"] == 2
    for version in (1, 2):
        reading = {**lock.reading, "thinking": {**lock.reading["thinking"], "version": version}}
        write_lock(replace(lock, reading=reading), model)
        check_all(str(model))
        plan = plan_run(resolve_model(str(model)), select(load_rows("sums"), 2, []))
        assert plan.lock.reading["thinking"]["version"] == version
        path = parquet(model, tmp_path / f"{version}.parquet")
        template = get_template("sums@1")
        check_parquet(path, template=template, tokenizer=load_tokenizer(model), folder=model)


def test_raw_and_chat_prompts_meet_on_another_task(model: Path) -> None:
    raw = lock_of(model, "gsm8k-raw")
    require_same(raw, lock_of(model, "sums@1"), what="m", model="m", other_task=True)
    edit_vocabulary(model)
    with pytest.raises(Mismatch, match="differ now: tokenizer"):
        require_same(raw, lock_of(model, "sums@1"), what="m", model="m", other_task=True)


def test_the_first_differing_token_is_found_at_every_place(tokenizer: Any) -> None:
    ids = list(range(20, 40))
    assert token_diff(ids, ids, tokenizer) == ""
    for place in range(20):
        changed = [*ids[:place], 99, *ids[place + 1 :]]
        assert f"first differing token: number {place + 1} (of 20 as locked, 20 now)" in token_diff(
            ids, changed
        )
        assert f"[{ids[place]} = {ids[place]}]" in token_diff(ids, changed)
    assert "[end]" in token_diff(ids, ids[:5], tokenizer)


# Adopting.
def test_adopting_by_template_writes_the_lock_that_training_would_have(model: Path) -> None:
    trained = read_lock(model)
    (model / FILE_NAME).unlink()
    lock, path, _ = adopt(str(model), prompt="gsm8k-boxed", data=None)
    assert path == model / FILE_NAME
    assert trained is not None and lock.fingerprint == trained.fingerprint
    assert check_all(str(model)) == lock
    with pytest.raises(UserError, match=r"has a prompt lock.*--force"):
        adopt(str(model), prompt="sums", data=None)
    assert adopt(str(model), prompt="sums", data=None, force=True)[0].template == "sums@1"


def test_adopting_by_data_takes_its_lock_or_finds_its_template(model: Path, rows: Path) -> None:
    adopted, _, _ = adopt(str(model), prompt=None, data=rows, force=True)
    assert adopted == read_lock(rows)
    strip_lock(rows)
    found, _, _ = adopt(str(model), prompt=None, data=rows, force=True)
    assert found.fingerprint == adopted.fingerprint
    assert found.data["prompts"] == adopted.data["prompts"]
    edit_rows(rows, lambda r: set_message(r[7]))
    with pytest.raises(Mismatch, match="no template renders its 40 rows, sums@1 comes nearest"):
        adopt(str(model), prompt=None, data=rows, force=True)
    assert read_lock(model) == found


def test_adopting_asks_where_several_templates_fit(model: Path, tmp_path: Path) -> None:
    path = parquet(model, tmp_path / "boxed.parquet", name="gsm8k-boxed@1")
    strip_lock(path)
    with pytest.raises(UserError, match=r"several templates .*gsm8k-boxed@1, math-boxed@1"):
        adopt(str(model), prompt=None, data=path, force=True)
    assert adopt(str(model), prompt="math-boxed", data=path, force=True)[0].rule == "math@3"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": None, "data": None}, "--prompt NAME or --data"),
        ({"prompt": "gsm8k-bxed", "data": None}, "did you mean gsm8k-boxed"),
    ],
)
def test_adopting_without_a_hint_is_refused(model: Path, arguments: dict[str, Any], message: str) -> None:
    (model / FILE_NAME).unlink()
    with pytest.raises(UserError, match=message):
        adopt(str(model), **arguments)
    assert not (model / FILE_NAME).exists()


def test_a_model_by_name_is_not_adopted() -> None:
    with pytest.raises(UserError, match="smollm2-135m is no local folder"):
        adopt("smollm2-135m", prompt="sums", data=None)


# The train-on-test guard.
def test_training_questions_among_scored_rows_are_found(model: Path, rows: Path, tokenizer: Any) -> None:
    lock = read_lock(rows)
    assert lock is not None
    train, test = load_rows("sums", "train").rows, load_rows("sums", "test").rows

    def prompts(part: Any) -> list[tuple[str, list[int]]]:
        return [
            (row.id, encode(tokenizer, render_question(get_template("sums"), row.question))) for row in part
        ]

    assert locked_overlap(lock, prompts(test)) == []
    shared = [row.id for row in train[:40]]
    assert locked_overlap(lock, prompts(train)) == shared
    renamed = [(f"x{row_id}", ids) for row_id, ids in prompts(train[:3])]
    assert locked_overlap(lock, renamed) == [row_id for row_id, _ in renamed]
    refuse_overlap([], 128, what="m", scored="sums/test")
    with pytest.raises(
        Mismatch, match=r"m was trained on 40 of the 272 questions of sums/train .*--allow-overlap"
    ):
        refuse_overlap(shared, 272, what="m", scored="sums/train")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from evalkit.cli.app import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_a_prompt_that_is_shown_names_the_columns_it_asks_for(tmp_path: Path) -> None:
    """Its placeholders stand as they are, as no row is there: nobody must take them for the prompt."""
    made = run("prompts", "new", "shelf", "--from", "sums-question", "--prompts", str(tmp_path))
    assert made.returncode == 0, made.stderr
    file = tmp_path / "shelf@1.toml"
    file.write_text(file.read_text().replace("'{question}'", "'{question} It is {level}.'"))
    done = run("prompts", "show", "shelf", "--prompts", str(tmp_path))
    assert "filled by the columns of each row, here left as they are: {level}\n" in done.stdout
    assert "filled by" not in run("prompts", "show", "sums-question").stdout


def test_the_command_line_says_it_in_exit_codes(model: Path, rows: Path) -> None:
    done = run("check", str(model))
    assert (done.returncode, done.stderr) == (0, "")
    assert "read as locked (gsm8k-boxed@1, rule boxed@3, fingerprint" in done.stdout
    done = run("check", str(model), "--prompt", "gsm8k-hash")
    assert done.returncode == 3 and done.stdout == ""
    assert done.stderr.startswith("error: ") and "first differing token" in done.stderr
    (model / FILE_NAME).unlink()
    done = run("check", str(model))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"evalkit prompts adopt {model} --prompt NAME" in done.stderr
    done = run("prompts", "show", "sums", "--model", str(model), "--format", "json")
    shown = json.loads(done.stdout)
    assert shown["token_ids"] == encode(load_tokenizer(model), shown["rendered"])
    assert resolve_stop_ids(load_tokenizer(model), model) == (2,)
    done = run("prompts", "list", "--format", "json")
    assert {"sums@1", "gsm8k-raw@1"} <= {entry["prompt"] for entry in json.loads(done.stdout)}
    assert PARQUET_KEY == b"prompt_lock"
