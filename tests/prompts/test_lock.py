"""The prompt lock: complete, canonical, and honest about itself."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import GOLDEN

from prompts.errors import Mismatch, UserError
from prompts.lock import (
    FILE_NAME,
    PARQUET_KEY,
    Lock,
    difference_of_locks,
    ids_sha256,
    make_lock,
    read_lock,
    write_lock,
)
from prompts.lock_reading import probe_questions
from prompts.registry import get_template, load_templates
from prompts.render import render_question
from prompts.tokenizer.digest import tokenizer_digest, tokenizer_parts
from prompts.tokens import encode, load_tokenizer

FINGERPRINTS = GOLDEN / "fingerprints.json"
SCORER = {"rule": "boxed@1", "version": 1}
SAMPLING = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 512, "samples": 1, "seed": 0}
PROMPTS = [("b", [1, 2, 3]), ("a", [4]), ("c", [])]


def make(tokenizer: Any, name: str = "gsm8k-boxed@1", **changes: Any) -> Lock:
    arguments: dict[str, Any] = {
        "template": get_template(name),
        "tokenizer": tokenizer,
        "stop_ids": (2,),
        "task": "gsm8k",
        "split": "test",
        "prompts": PROMPTS,
        "sampling": SAMPLING,
        "scorer": SCORER,
    }
    return make_lock(**{**arguments, **changes})


@pytest.fixture(scope="module")
def lock(tokenizer: Any) -> Lock:
    return make(tokenizer)


@pytest.fixture
def own(smollm2: Path) -> Any:
    return load_tokenizer(smollm2)


def keys(left: Lock, right: Lock, *sections: str) -> list[str]:
    return [
        f"{entry.section}.{entry.key}"
        for entry in difference_of_locks(left, right, *([sections] if sections else []))
    ]


def test_fingerprints_of_all_templates_are_the_recorded_ones(tokenizer: Any) -> None:
    """A change locks every old checkpoint out: only a new template version or tokenizer may do that.

    Recorded by: python tests/prompts/test_lock.py > tests/golden/fingerprints.json
    """
    assert fingerprints(tokenizer) == json.loads(FINGERPRINTS.read_text())


def fingerprints(tokenizer: Any) -> dict[str, str]:
    return {ref: make(tokenizer, ref).fingerprint for ref in sorted(load_templates())}


def test_reading_says_all_that_the_model_reads(lock: Lock, tokenizer: Any) -> None:
    reading = lock.reading
    assert reading["template"]["ref"] == lock.template == "gsm8k-boxed@1"
    assert reading["system"] == {
        "text": "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
        "from": "chat template",
    }
    assert reading["chat_template"]["add_generation_prompt"] is True
    assert reading["chat_template"]["frozen_date"] is None
    assert reading["decode"] == {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    assert reading["stop_ids"] == [2]
    assert lock.rule == "boxed@1"
    for number, question in enumerate(probe_questions(), 1):
        ids = encode(tokenizer, render_question(get_template("gsm8k-boxed"), question))
        assert reading["probe"][str(number)]["ids"] == " ".join(map(str, ids))


def test_a_template_s_system_message_and_worked_examples_are_recorded(tokenizer: Any) -> None:
    assert make(tokenizer, "sums").reading["system"] == {"text": "You do sums.", "from": "template"}
    assert make(tokenizer, "sums").reading["template"]["turns_sha256"] is None
    shots = [
        make(tokenizer, name).reading["template"]["turns_sha256"] for name in ("gsm8k-4shot", "gsm8k-raw")
    ]
    assert None not in shots
    raw = make(tokenizer, "gsm8k-raw").reading
    assert raw["chat_template"] is None and raw["system"] is None


def test_a_frozen_date_is_recorded(own: Any) -> None:
    before = make(own).fingerprint
    own.chat_template = "{{ strftime_now('%Y') }}" + own.chat_template
    lock = make(own)
    assert lock.reading["chat_template"]["frozen_date"] == "2024-07-26"
    assert lock.fingerprint != before


def test_only_reading_decides_the_fingerprint(lock: Lock, tokenizer: Any) -> None:
    other = make(tokenizer, task="sums", split="train", prompts=[], sampling={"max_tokens": 16})
    assert other.fingerprint == lock.fingerprint
    assert keys(lock, other, "reading") == []
    assert keys(lock, other)[:3] == ["data.rows missing", "data.split", "data.task"]
    assert "budget.max_tokens" in keys(lock, other)


def test_nothing_about_the_machine_is_in_a_lock(lock: Lock) -> None:
    text = json.dumps(lock.as_dict()).lower()
    for word in ("version_", "transformers", "vllm", "gpu", "/root", "batch", "path", "max_model_len"):
        assert word not in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"stop_ids": (2, 0)}, ["reading.stop_ids"]),
        ({"scorer": {"rule": "boxed@2", "version": 1}}, ["reading.scorer.rule"]),
        ({"scorer": {"rule": "boxed@1", "version": 2}}, ["reading.scorer.version"]),
        ({"task": "sums"}, ["data.task"]),
        ({"prompts": PROMPTS[:2]}, ["data.rows missing"]),
        ({"prompts": [*PROMPTS, ("d", [1])]}, ["data.rows added"]),
        ({"prompts": [("b", [1, 2, 4]), *PROMPTS[1:]]}, ["data.prompts changed"]),
        ({"prompts": PROMPTS[::-1]}, []),
        ({"sampling": {**SAMPLING, "max_tokens": 16}}, ["budget.max_tokens"]),
        ({"sampling": dict(reversed(SAMPLING.items()))}, []),
        ({"stop_ids": [2]}, []),
    ],
)
def test_compare_names_what_differs(
    lock: Lock, tokenizer: Any, changes: dict[str, Any], expected: list[str]
) -> None:
    assert keys(lock, make(tokenizer, **changes)) == expected


def test_another_template_differs_in_text_and_probe(lock: Lock, tokenizer: Any) -> None:
    found = keys(lock, make(tokenizer, "gsm8k-hash"), "reading")
    assert {"reading.template.ref", "reading.template.sha256", "reading.probe.1.ids"} <= set(found)
    assert "reading.tokenizer.vocabulary" not in found


def test_kwargs_for_the_chat_template_are_in_the_lock(lock: Lock, tokenizer: Any) -> None:
    template = replace(get_template("gsm8k-boxed"), chat_template_kwargs={"enable_thinking": False})
    assert "reading.chat_template.kwargs.enable_thinking" in keys(lock, make(tokenizer, template=template))


@given(
    st.dictionaries(st.text(max_size=5), st.lists(st.integers(0, 9), max_size=4), max_size=5),
    st.dictionaries(st.text(max_size=5), st.lists(st.integers(0, 9), max_size=4), max_size=5),
    st.randoms(),
)
def test_data_sections_are_equal_where_rows_are(lock: Lock, one: Any, other: Any, random: Any) -> None:
    def data(rows: dict[str, list[int]]) -> Lock:
        pairs = list(rows.items())
        random.shuffle(pairs)
        hashes = {key: ids_sha256(ids) for key, ids in pairs}
        return replace(lock, data={"task": "t", "split": "s", "rows": len(rows), "prompts": hashes})

    assert (keys(data(one), data(other)) == []) == (one == other)
    assert difference_of_locks(data(one), data(one)) == []


def test_a_lock_survives_folder_file_and_parquet(lock: Lock, tmp_path: Path) -> None:
    assert read_lock(tmp_path) is None
    path = write_lock(lock, tmp_path)
    assert path.name == FILE_NAME
    assert read_lock(tmp_path) == read_lock(path) == lock
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE_NAME]
    table = pyarrow.table({"a": [1]})
    pyarrow.parquet.write_table(table, tmp_path / "bare.parquet")
    assert read_lock(tmp_path / "bare.parquet") is None
    table = table.replace_schema_metadata({PARQUET_KEY: orjson.dumps(lock.as_dict())})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    assert read_lock(tmp_path / "rows.parquet") == lock


def test_layout_of_the_file_does_not_matter(lock: Lock, tmp_path: Path) -> None:
    text = json.dumps(dict(reversed(lock.as_dict().items())), sort_keys=True, indent=7, ensure_ascii=True)
    (tmp_path / FILE_NAME).write_text(text)
    assert read_lock(tmp_path) == lock


@pytest.mark.parametrize(
    "place",
    [
        ("reading", "stop_ids"),
        ("reading", "system", "text"),
        ("reading", "scorer", "rule"),
        ("reading", "template", "sha256"),
        ("reading", "template", "turns_sha256"),
        ("reading", "chat_template", "sha256"),
        ("reading", "tokenizer", "vocabulary"),
        ("reading", "probe", "2", "ids"),
        ("data", "task"),
        ("data", "prompts", "a"),
        ("budget", "max_tokens"),
        ("fingerprint",),
        ("sha256",),
    ],
    ids=".".join,
)
def test_an_edited_lock_is_refused(lock: Lock, tmp_path: Path, place: tuple[str, ...]) -> None:
    content = copy.deepcopy(lock.as_dict())
    at = content
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = "edited"
    (tmp_path / FILE_NAME).write_text(json.dumps(content))
    with pytest.raises(Mismatch, match=r"prompt.lock.json was edited: .*evalkit prompts adopt") as error:
        read_lock(tmp_path)
    assert error.value.exit_code == 3


def test_a_lock_that_is_a_link_to_nothing_is_not_none(tmp_path: Path) -> None:
    (tmp_path / "prompt.lock.json").symlink_to("gone")
    with pytest.raises(UserError, match="is a link to nothing"):
        read_lock(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is no prompt lock"),
        ("{}", "is no prompt lock: it needs the sections reading, data, budget"),
        ('{"schema": 9, "reading": {}, "data": {}, "budget": {}}', "has schema 9.*pip install -e"),
    ],
)
def test_what_is_no_lock_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(UserError, match=message) as error:
        read_lock(tmp_path)
    assert error.value.exit_code == 2


def test_missing_paths_and_false_parquets_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_lock(tmp_path / "nowhere")
    (tmp_path / "false.parquet").write_text("id,question")
    with pytest.raises(UserError, match="is no parquet file"):
        read_lock(tmp_path / "false.parquet")


def test_a_folder_that_cannot_be_written_is_named(lock: Lock, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"prompt.lock.json cannot be written: No such file"):
        write_lock(lock, tmp_path / "nowhere")


def change_pipeline(tokenizer: Any, change: Callable[[dict[str, Any]], None]) -> None:
    """Replace the Rust tokenizer by one whose JSON was edited."""
    from tokenizers import Tokenizer

    pipeline = json.loads(tokenizer.backend_tokenizer.to_str())
    change(pipeline)
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(pipeline))


def swap_ids(pipeline: dict[str, Any]) -> None:
    vocabulary = pipeline["model"]["vocab"]
    vocabulary["the"], vocabulary["The"] = vocabulary["The"], vocabulary["the"]


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("vocabulary", swap_ids),
        ("merges", lambda p: p["model"]["merges"].insert(0, p["model"]["merges"].pop())),
        ("model", lambda p: p["model"].update(ignore_merges=True)),
        ("normalizer", lambda p: p.update(normalizer={"type": "NFC"})),
        ("pre_tokenizer", lambda p: p["pre_tokenizer"].update(add_prefix_space=True)),
        ("post_processor", lambda p: p.update(post_processor={"type": "ByteLevel", "add_prefix_space": True,
                                                              "trim_offsets": False, "use_regex": True})),
        ("decoder", lambda p: p["decoder"]["decoders"].pop(2)),
        ("added_tokens", lambda p: p["added_tokens"][3].update(special=False)),
    ],
)  # fmt: skip
def test_the_digest_changes_with_each_part_that_makes_ids_or_text(
    own: Any, part: str, change: Callable[[dict[str, Any]], None]
) -> None:
    before, digest = tokenizer_parts(own), tokenizer_digest(own)
    change_pipeline(own, change)
    after = tokenizer_parts(own)
    assert {key for key in before if before[key] != after[key]} == {part}
    assert tokenizer_digest(own) != digest


@pytest.mark.parametrize("name", ["bos_token", "eos_token", "unk_token"])
def test_the_digest_changes_with_special_ids(own: Any, name: str) -> None:
    before = tokenizer_digest(own)
    setattr(own, name, "<repo_name>")
    assert tokenizer_digest(own) != before


if __name__ == "__main__":
    from evalkit.models.resolve import model_folder

    print(json.dumps(fingerprints(load_tokenizer(model_folder("smollm2-135m")[0])), indent=1))
