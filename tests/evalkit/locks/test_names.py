"""A locked model under another name of its prompt, the commands of refusals, and questions trained on."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from locked import lock_of, locked
from places import ROOT

from evalkit.locks.adopt import adopt
from evalkit.locks.check import check_all
from evalkit.locks.overlap import locked_overlap, row_text, with_questions
from evalkit.records import Row
from prompts.errors import Mismatch, UserError
from prompts.lock import read_lock
from prompts.registry import get_template
from prompts.template import BUILT_IN

pytest.importorskip("torch")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder with gsm8k-boxed@1 under the name mine@1, and an edited one."""
    folder = tmp_path / "templates"
    folder.mkdir()
    text = (BUILT_IN / "gsm8k-boxed@1.toml").read_text().replace('name = "gsm8k-boxed"', 'name = "mine"')
    (folder / "mine@1.toml").write_text(text)
    (folder / "mine@2.toml").write_text(text.replace("version = 1", "version = 2").replace("final", "last"))
    return folder


@pytest.fixture
def model(model_copy, mine: Path) -> Path:  # type: ignore[no-untyped-def]
    folder: Path = model_copy()
    return locked(folder, "gsm8k-boxed@1")


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from evalkit.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "check", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT
    )


def test_the_same_text_under_another_name_is_equal_and_told(model: Path, mine: Path) -> None:
    done = check(model, "--prompt", "mine@1", "--prompts", mine)
    assert done.returncode == 0, done.stderr
    assert "note: mine@1 and gsm8k-boxed@1 are the same text under two names" in done.stderr


def test_the_command_of_a_refusal_is_whole(model: Path, mine: Path) -> None:
    with pytest.raises(Mismatch, match=rf"evalkit score --model {model} --task sums --prompt gsm8k-boxed@1$"):
        check_all(str(model), prompt="mine@2", extra=[mine])


def test_a_template_of_one_s_own_is_adopted_again_without_its_folder(model: Path, mine: Path) -> None:
    adopt(str(model), prompt="mine@1", data=None, extra=[mine], force=True)
    lock = read_lock(model)
    assert lock is not None and lock.template == "mine@1"
    assert adopt(str(model), prompt="mine@1", data=None, force=True)[0] == lock
    with pytest.raises(UserError, match="mine@2"):
        adopt(str(model), prompt="mine@2", data=None, force=True)


def test_ids_of_another_vocabulary_are_not_decoded_by_the_new_one(model: Path) -> None:
    path = model / "tokenizer.json"
    held = json.loads(path.read_text())
    words = held["model"]["vocab"]
    ids = list(words.values())
    held["model"]["vocab"] = dict(zip(words, [*ids[:260], *ids[260:][::-1]], strict=True))
    path.write_text(json.dumps(held))
    with pytest.raises(Mismatch) as caught:
        check_all(str(model))
    line = next(line for line in caught.value.detail.splitlines() if "as locked:" in line)
    assert "'" not in line, "these ids were decoded with another vocabulary"


def test_a_question_is_known_again_whatever_its_spaces_and_prompt(smollm2: Path) -> None:
    lock = lock_of(smollm2, "gsm8k-boxed@1")
    template = get_template("gsm8k-boxed@1")
    row = Row(id="a", question="How many  sheep\nhas he?", gold="3")
    trained = with_questions(lock, [row_text(row, template)])
    again = replace(row, id="b", question=" how many sheep has HE? ")
    prompts = [("b", [1, 2, 3])]
    assert locked_overlap(trained, prompts, {"b": row_text(again, get_template("gsm8k-raw"))}) == ["b"]
    assert locked_overlap(trained, prompts, {"b": "How many cows has he?"}) == []
    assert locked_overlap(lock, prompts, {"b": row_text(again, template)}) == []  # a lock from before
    assert trained == lock and trained.as_dict()["sha256"] == lock.as_dict()["sha256"]


@pytest.mark.parametrize(
    "asked", ["How many are 5+3 ?", "How ma\u200bny are ５ + ３？", "HOW many are 5 +3?"]
)
def test_what_nobody_sees_hides_no_question_of_a_lock(smollm2: Path, asked: str) -> None:
    trained = with_questions(lock_of(smollm2, "gsm8k-boxed@1"), ["How many are 5 + 3?"])
    assert locked_overlap(trained, [("b", [1, 2, 3])], {"b": asked}) == ["b"]


def test_hashes_of_a_lock_from_before_are_known_still(smollm2: Path) -> None:
    before = hashlib.sha256(b"how many are 5 + 3 ?").hexdigest()[:16]  # case and the number of spaces only
    lock = replace(lock_of(smollm2, "gsm8k-boxed@1"), carries={"questions": [before]})
    prompts = [("b", [1, 2, 3])]
    assert locked_overlap(lock, prompts, {"b": "How many are  5 + 3 ?"}) == ["b"]
    assert locked_overlap(lock, prompts, {"b": "How many are 5 + 4 ?"}) == []


def test_rows_that_ask_the_same_about_other_texts_are_two() -> None:
    template = replace(get_template("gsm8k-boxed@1"), user="{passage} {question}")
    rows = [Row(id=name, question="Who?", gold="x", fields={"passage": name}) for name in ("a", "b")]
    assert row_text(rows[0], template) != row_text(rows[1], template)
