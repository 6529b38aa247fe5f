"""What must not change between the prompts of a lock and training is caught before Ray starts.

Every case runs the public command `trainkit grpo … --dry-run` twice: on a parquet that `trainkit data`
made before something was changed, and on a training run that was begun before. What changes
nothing that the model reads or how it is judged must never be refused.
"""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet
import pytest

from evalkit.grade.grade import SCORER_VERSION
from prompts.files import read_json
from prompts.lock import FILE_NAME, PARQUET_KEY, Lock, write_lock

pytest.importorskip("torch")

TEMPLATE = """name = "mine"
version = 1
description = "Two examples and a sum."
kind = "chat"
tasks = ["sums"]
rule = "last-number"
marker = ""
system = "You do sums."
user = '{question}'

[[turns]]
question = "What is 1 + 1?"
answer = "2"

[[turns]]
question = "What is 2 + 3?"
answer = "5"
"""
OPTIONS = ["--task", "sums", "--prompt", "mine", "--device", "cpu"]


@dataclass
class Place:
    """A folder with a model, a template, the parquet made from both, and a training run begun with them."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def template(self) -> Path:
        return self.folder / "prompts/mine@1.toml"

    @property
    def parquet(self) -> Path:
        return self.folder / "data/train.parquet"

    @property
    def run(self) -> Path:
        return self.folder / "runs/begun"

    def inputs(self) -> list[str]:
        return ["--model", str(self.model), "--prompts", str(self.template.parent), *OPTIONS]

    def options(self) -> dict[str, Any]:
        """What begins the run, as options of trainkit."""
        given = {"model": str(self.model), "prompts": [str(self.template.parent)], "output": str(self.run)}
        return {**given, "task": "sums", "prompt": "mine", "device": "cpu"}

    def edit(self, path: Path, old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{path.name} holds no {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def edit_json(self, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
        path = self.model / name
        value = json.loads(path.read_text(encoding="utf-8"))
        change(value)
        path.write_text(json.dumps(value), encoding="utf-8")

    def edit_rows(self, change: Callable[[list[dict[str, Any]]], Any]) -> None:
        """Change the parquet's rows; its lock stays."""
        table = pyarrow.parquet.read_table(self.parquet)
        rows = table.to_pylist()
        rows = change(rows) or rows
        edited = pyarrow.Table.from_pylist(rows).replace_schema_metadata(table.schema.metadata)
        pyarrow.parquet.write_table(edited, self.parquet)

    def edit_lock(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change the parquet's lock in a way that the lock itself does not notice."""
        table = pyarrow.parquet.read_table(self.parquet)
        value = orjson.loads(table.schema.metadata[PARQUET_KEY])
        change(value)
        forged = Lock(value["reading"], value["data"], value["budget"]).as_dict()
        table = table.replace_schema_metadata({PARQUET_KEY: orjson.dumps(forged)})
        pyarrow.parquet.write_table(table, self.parquet)


def trainkit(*arguments: str) -> int:
    """The command line as a user's shell sees it, in this process; returns the exit code.

    By `run_app`: `main` ends the process without teardown where another test has loaded vLLM.
    """
    from evalkit.run_app import run_app
    from trainkit.cli.app import app

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["trainkit", *arguments])
        run_app(app)
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def original(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """SmolLM2's tokenizer around tiny weights, `trainkit data`, and a run that was prepared."""
    from fsdp_checkpoints import make_base

    from trainkit.options import resolve
    from trainkit.prepare import prepare

    place = Place(tmp_path_factory.mktemp("tampering"))
    make_base(place.model, str(smollm2), tied=True)
    place.template.parent.mkdir()
    place.template.write_text(TEMPLATE)
    assert trainkit("data", str(place.parquet.parent), *place.inputs()[:-2]) == 0
    prepare(resolve("grpo", place.options(), preset=None, config=None, has_gpu=False))
    return place


@pytest.fixture
def place(original: Place, tmp_path: Path) -> Iterator[Place]:
    """The original at the very same path, so that only the change is one; put back afterwards."""
    saved = tmp_path / "saved"
    shutil.copytree(original.folder, saved)
    yield original
    shutil.rmtree(original.folder)
    shutil.copytree(saved, original.folder)


def with_parquet(place: Place, *more: str) -> int:
    fresh = place.folder / "runs/fresh"
    code = trainkit(
        "grpo", *place.inputs(), "--parquet", str(place.parquet), "--output", str(fresh), "--dry-run", *more
    )
    assert not fresh.exists(), "a dry run leaves nothing"
    return code


def again(place: Place, *more: str) -> int:
    return trainkit("grpo", *place.inputs(), "--output", str(place.run), "--dry-run", *more)


def swap_two_tokens(value: dict[str, Any]) -> None:
    """Two words of the vocabulary change places; "What" is in every question."""
    vocabulary = value["model"]["vocab"]
    vocabulary["What"], vocabulary["When"] = vocabulary["When"], vocabulary["What"]


def other_rule(place: Place) -> None:
    place.edit(place.template, 'rule = "last-number"', 'rule = "hash"')


PROMPT_CHANGES: dict[str, tuple[Callable[[Place], Any], str]] = {
    "template text": (
        lambda p: p.edit(p.template, "user = '{question}'", "user = 'Sum: {question}'"),
        "Sum: What",
    ),
    "chat template": (
        lambda p: p.edit(p.model / "chat_template.jinja", "<|im_start|>", "<|im_start|> "),
        "chat_template",
    ),
    "tokenizer file": (lambda p: p.edit_json("tokenizer.json", swap_two_tokens), "tokenizer.vocabulary"),
    "system message": (lambda p: p.edit(p.template, "You do sums.", "You do sums!"), "You do sums!"),
    "few-shot row": (lambda p: p.edit(p.template, 'answer = "5"', 'answer = "six"'), "six"),
    "extraction rule": (other_rule, "last-number@1 | hash"),
    "end tokens of the model": (
        lambda p: p.edit_json("generation_config.json", lambda v: v.update(eos_token_id=[2, 0])),
        "stop_ids",
    ),
    "end token of the tokenizer": (
        lambda p: p.edit_json("tokenizer_config.json", lambda v: v.update(eos_token="<|endoftext|>")),
        "stop_ids",
    ),
}


@pytest.mark.parametrize("name", PROMPT_CHANGES)
@pytest.mark.parametrize("how", [with_parquet, again], ids=["parquet", "resumed"])
def test_changed_prompts_are_refused(
    place: Place, capsys: pytest.CaptureFixture[str], name: str, how: Callable[[Place], int]
) -> None:
    change, shown = PROMPT_CHANGES[name]
    change(place)
    before = sorted(path.stat().st_mtime_ns for path in place.run.rglob("*"))
    assert how(place) == 3
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "Traceback" not in error
    assert shown in error
    assert max(map(len, error.splitlines())) < 1000, "a diff that a person can read"
    assert before == sorted(path.stat().st_mtime_ns for path in place.run.rglob("*"))


RELEASED_EDITS = {
    "system message": ("You do sums.", "You do sums well.", ("-You do sums.", "+You do sums well.")),
    "few-shot row": ('answer = "5"', 'answer = "six"', ("-5", "+six")),
    "text": ("user = '{question}'", "user = 'Sum: {question}'", ("+Sum: What",)),
    "rule": ('rule = "last-number"', 'rule = "hash"', ("last-number@1 | hash",)),
}


@pytest.mark.parametrize("name", RELEASED_EDITS)
@pytest.mark.parametrize("how", [with_parquet, again], ids=["parquet", "resumed"])
def test_a_released_template_is_never_edited(
    place: Place, capsys: pytest.CaptureFixture[str], name: str, how: Callable[[Place], int]
) -> None:
    """The lock of the parquet, or of the run that was begun, still knows the released text."""
    from prompts.registry import load_folder
    from prompts.release import release

    release("mine@1", place.template.parent)
    was = load_folder(place.template.parent)["mine@1"].text_sha256
    assert how(place) == 0
    old, new, shown = RELEASED_EDITS[name]
    place.edit(place.template, old, new)
    capsys.readouterr()
    assert how(place) == 3
    error, *diff = capsys.readouterr().err.splitlines()
    now = load_folder(place.template.parent, verify=False)["mine@1"].text_sha256
    assert f"{place.template} was edited after its release as mine@1" in error
    assert f"its text has sha256 {now[:12]}, released was {was[:12]}" in error
    assert f"make a new version: evalkit prompts new mine --prompts {place.template.parent}" in error
    for part in shown:
        assert any(part in line for line in diff), "what changed is shown"


def test_an_edited_template_is_refused_where_nothing_knows_the_old_text(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    from prompts.release import release

    release("mine@1", place.template.parent)
    place.edit(place.template, "You do sums.", "You do sums well.")
    fresh = ["--output", str(place.folder / "runs/fresh"), "--dry-run"]
    for command in (["grpo", *place.inputs(), *fresh], ["plan", *place.inputs()]):
        assert trainkit(*command) == 3
        error = capsys.readouterr().err
        assert "undo the edit of mine@1, or make a new version" in error
        assert len(error.splitlines()) == 1


def parquet_of(place: Place, *arguments: str) -> None:
    """Make another parquet and put it in the place of the right one."""
    other = place.folder / "other"
    assert trainkit("data", str(other), "--model", str(place.model), *arguments) == 0
    shutil.copyfile(other / "train.parquet", place.parquet)


def lock_from_elsewhere(place: Place) -> None:
    """The right rows under the lock of another task."""
    rows = pyarrow.parquet.read_table(place.parquet)
    parquet_of(place, "--task", "sums:30", "--prompt", "sums")
    other = pyarrow.parquet.read_schema(place.parquet).metadata
    pyarrow.parquet.write_table(rows.replace_schema_metadata(other), place.parquet)


def drop_lock(place: Place) -> None:
    table = pyarrow.parquet.read_table(place.parquet).replace_schema_metadata(None)
    pyarrow.parquet.write_table(table, place.parquet)


def forge_a_test_row(place: Place) -> None:
    """A test question with everything that belongs to it, the lock included."""
    from evalkit.tasks.load import load_rows
    from prompts.lock import ids_sha256
    from prompts.registry import get_template
    from prompts.render import render
    from prompts.tokens import encode, load_tokenizer

    row = load_rows("sums", "test").rows[0]
    rendered = render(get_template("mine", [place.template.parent]), row)
    ids = encode(load_tokenizer(place.model), rendered)

    def add(rows: list[dict[str, Any]]) -> None:
        extra = {**rows[0]["extra_info"], "id": row.id, "question": row.question}
        gold = {"style": "rule", "ground_truth": row.gold}
        rows.append({**rows[0], "prompt": rendered, "reward_model": gold, "extra_info": extra})

    def admit(lock: dict[str, Any]) -> None:
        lock["data"]["rows"] += 1
        lock["data"]["prompts"] = dict(sorted({**lock["data"]["prompts"], row.id: ids_sha256(ids)}.items()))

    place.edit_rows(add)
    place.edit_lock(admit)


def add_row(rows: list[dict[str, Any]]) -> None:
    rows.append({**rows[0], "extra_info": {**rows[0]["extra_info"], "id": "f" * 16}})


def edit_row(key: str, field: str, value: Any) -> Callable[[Place], None]:
    return lambda place: place.edit_rows(lambda rows: rows[3][key].update({field: value}))


PARQUET_CHANGES: dict[str, tuple[Callable[[Place], Any], str]] = {
    "swapped for one under another template": (
        lambda p: parquet_of(p, "--task", "sums", "--prompt", "sums-hash"),
        "sums-hash@1",
    ),
    "swapped for another task's": (
        lambda p: parquet_of(p, "--task", "sums:30", "--prompt", "sums"),
        "sums:30",
    ),
    "swapped for the validation rows": (
        lambda p: p.edit_rows(
            lambda _: pyarrow.parquet.read_table(p.parquet.with_name("validation.parquet")).to_pylist()
        ),
        "rows",
    ),
    "without lock": (drop_lock, "no prompt lock"),
    "with another task's lock": (lock_from_elsewhere, "sums:30"),
    "with an edited lock": (
        lambda p: p.edit_lock(lambda lock: lock["reading"]["scorer"].update(rule="boxed@1")),
        "boxed@1",
    ),
    "a row added": (lambda p: p.edit_rows(add_row), "f" * 16),
    "a row twice": (lambda p: p.edit_rows(lambda rows: rows.append(rows[0])), "stands twice"),
    "a row removed": (lambda p: p.edit_rows(lambda rows: rows[1:]), "rows missing"),
    "a question edited": (edit_row("extra_info", "question", "What is 5 + 50?"), "row 4"),
    "a gold edited": (edit_row("reward_model", "ground_truth", "7"), "row 4"),
    "messages edited": (
        lambda p: p.edit_rows(lambda rows: rows[3]["prompt"][-1].update(content="Hint: 9. What is it?")),
        "Hint: 9.",
    ),
    "a test row with a forged lock": (forge_a_test_row, "does not have"),
}


@pytest.mark.parametrize("name", PARQUET_CHANGES)
def test_changed_parquet_is_refused(place: Place, capsys: pytest.CaptureFixture[str], name: str) -> None:
    change, shown = PARQUET_CHANGES[name]
    change(place)
    capsys.readouterr()
    assert with_parquet(place) == 3
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "Traceback" not in error
    assert shown in error
    assert "trainkit data" in error or "evalkit prompts" in error or "--prompt" in error, "no fix is named"


def resave_tokenizer(place: Place) -> None:
    from prompts.tokens import load_tokenizer

    load_tokenizer(place.model).save_pretrained(place.model)


def resave_padded(place: Place) -> None:
    """As after a padded and truncated batch call, whose settings end up in tokenizer.json."""
    from prompts.tokens import load_tokenizer

    tokenizer = load_tokenizer(place.model)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    tokenizer(["a", "a longer text"], padding="max_length", truncation=True, max_length=8)
    tokenizer.save_pretrained(place.model)
    saved = read_json(place.model / "tokenizer.json")
    assert saved["padding"] and saved["truncation"]


def merges_as(form: Callable[[list[str]], Any]) -> Callable[[Place], None]:
    def change(value: dict[str, Any]) -> None:
        merges = [m.split(" ", 1) if isinstance(m, str) else m for m in value["model"]["merges"]]
        value["model"]["merges"] = [form(pair) for pair in merges]

    return lambda place: place.edit_json("tokenizer.json", change)


def move_data(place: Place) -> list[str]:
    elsewhere = place.folder / "elsewhere/renamed.parquet"
    elsewhere.parent.mkdir()
    place.parquet.rename(elsewhere)
    return ["--parquet", str(elsewhere)]


def move_model(place: Place) -> list[str]:
    place.model.rename(place.folder / "the-same-model")
    return ["--model", str(place.folder / "the-same-model")]


def rewrite_parquet(place: Place, **settings: Any) -> None:
    table = pyarrow.parquet.read_table(place.parquet)
    pyarrow.parquet.write_table(table, place.parquet, **settings)


def other_weights(place: Place) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    path = place.model / "model.safetensors"
    weights = {name: tensor * 2 for name, tensor in load_file(path).items()}
    assert all(tensor.dtype == torch.bfloat16 for tensor in weights.values())
    save_file(weights, path, metadata={"format": "pt"})


def chat_template_into_config(place: Place) -> None:
    """The older layout: the chat template stands in tokenizer_config.json."""
    text = (place.model / "chat_template.jinja").read_text(encoding="utf-8")
    (place.model / "chat_template.jinja").unlink()
    place.edit_json("tokenizer_config.json", lambda value: value.update(chat_template=text))


def another_template(place: Place) -> None:
    text = TEMPLATE.replace('"mine"', '"theirs"').replace("You do sums.", "Think.")
    place.template.with_name("theirs@1.toml").write_text(text)


def other_versions(place: Place) -> None:
    path = place.run / "train.json"
    job = read_json(path)
    job["packages"] = {**job["packages"], "vllm": "0.24.0", "torch": "2.11.0"}
    path.write_text(json.dumps(job))


HARMLESS: dict[str, Callable[[Place], list[str] | None]] = {
    "nothing": lambda p: None,
    "row order": lambda p: p.edit_rows(lambda rows: rows[::-1]),
    "parquet in another folder": move_data,
    "parquet compressed otherwise": lambda p: rewrite_parquet(p, compression="zstd"),
    "parquet in small row groups": lambda p: rewrite_parquet(p, row_group_size=7),
    "a column more": lambda p: p.edit_rows(lambda rows: [{**row, "note": "mine"} for row in rows]),
    "model in another folder": move_model,
    "tokenizer saved again": resave_tokenizer,
    "tokenizer saved after a padded call": resave_padded,
    "merges as strings": merges_as(" ".join),
    "merges as pairs": merges_as(list),
    "chat template in the old place": chat_template_into_config,
    "pad token": lambda p: p.edit_json(
        "tokenizer_config.json", lambda v: v.update(pad_token="<|endoftext|>")
    ),
    "length in tokenizer_config": lambda p: p.edit_json(
        "tokenizer_config.json", lambda v: v.update(model_max_length=123, clean_up_tokenization_spaces=True)
    ),
    "sampling in generation_config": lambda p: p.edit_json(
        "generation_config.json", lambda v: v.update(temperature=0.6, do_sample=True, top_p=0.9)
    ),
    "end tokens in another order": lambda p: p.edit_json(
        "generation_config.json", lambda v: v.update(eos_token_id=[v["eos_token_id"]])
    ),
    "other weights": other_weights,
    "versions": other_versions,
    "description of the template": lambda p: p.edit(p.template, "Two examples and a sum.", "Two examples."),
    "another template beside it": another_template,
    "shorter limit": lambda p: ["--limit", "40"],
    "batch": lambda p: ["--batch", "16", "--mini-batch", "16"],
    "learning rate and seed": lambda p: ["--learning-rate", "1e-6", "--seed", "7"],
    "prompt length": lambda p: ["--prompt-length", "300"],
    "response length": lambda p: ["--response-length", "24"],
    "GPU memory": lambda p: ["--gpu-memory", "0.7"],
}
RUN_DECISIVE = {"parquet in another folder", "model in another folder", "shorter limit", "batch",
                "learning rate and seed", "prompt length", "response length"}  # fmt: skip
"""Of a run that was begun these are other options than its own (exit 2), or say nothing about it."""


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_changes_are_never_refused(
    place: Place, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        more = HARMLESS[name](place) or []
        assert with_parquet(place, *more) == 0, capsys.readouterr().err
        if name not in RUN_DECISIVE:
            assert again(place, *more) == 0, capsys.readouterr().err


def begun_under(place: Place, version: int) -> None:
    """The run as an earlier evalkit began it: locks and job name its scorer."""
    begun = read_json(place.run / FILE_NAME)
    begun["reading"]["scorer"]["version"] = version
    lock = Lock(begun["reading"], begun["data"], begun["budget"], begun["carries"])
    write_lock(lock, place.run)
    job = read_json(place.run / "train.json")
    (place.run / "train.json").write_text(json.dumps(job | {"scorer_version": version}))


def test_an_older_scorer_locks_no_data_out(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.edit_lock(lambda lock: lock["reading"]["scorer"].update(version=SCORER_VERSION - 1))
    assert with_parquet(place) == 0, capsys.readouterr().err


def test_a_run_goes_on_under_the_scorer_with_which_it_began(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainkit.options import resolve
    from trainkit.plugins.reward import open_judge
    from trainkit.prepare import prepare
    from trainkit.runs.job import read_job

    older = SCORER_VERSION - 1
    begun_under(place, older)
    before = (place.run / FILE_NAME).read_bytes()
    assert again(place) == 0, capsys.readouterr().err
    prepare(resolve("grpo", place.options(), preset=None, config=None, has_gpu=False))
    assert (place.run / FILE_NAME).read_bytes() == before
    assert open_judge(read_job(place.run)).version == older


def test_a_scorer_that_is_gone_is_not_replaced(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    begun_under(place, 1)
    assert again(place) == 3
    error = capsys.readouterr().err
    assert "the reward of begun is not the one with which it began (scorer.version); resume with the" in error
    assert "reading.scorer.version: 1 | 2" in error
