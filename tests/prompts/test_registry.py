"""Templates: loaded, versioned, frozen once released."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.errors import Mismatch, UserError
from prompts.registry import get_template, load_folder, load_templates
from prompts.release import new_template, release
from prompts.template import BUILT_IN, RELEASED, read_template

BUILT_IN_REFS = {
    "choice@1",
    "gsm8k-4shot@1",
    "gsm8k-boxed@1",
    "gsm8k-hash@1",
    "gsm8k-question@1",
    "gsm8k-raw@1",
    "gsm8k-tutorial@1",
    "math-boxed@1",
    "sums-hash@1",
    "sums-question@1",
    "sums@1",
}
MINIMAL = {"name": '"mine"', "version": "1", "kind": '"chat"', "user": "'{question}'", "rule": '"boxed"'}


def write(folder: Path, ref: str = "mine@1", **changes: str | None) -> Path:
    folder.mkdir(exist_ok=True)
    values = {key: value for key, value in {**MINIMAL, **changes}.items() if value is not None}
    path = folder / f"{ref}.toml"
    path.write_text("\n".join(f"{key} = {value}" for key, value in values.items()))
    return path


def test_every_built_in_template_is_released_with_the_text_it_has() -> None:
    released = json.loads((BUILT_IN / RELEASED).read_text())
    templates = {path.stem: read_template(path) for path in BUILT_IN.glob("*.toml")}
    assert set(templates) == set(released) == BUILT_IN_REFS
    for ref, template in templates.items():
        assert template.text_sha256 == released[ref], f"{ref} was edited: make a new version"


def test_every_rule_of_a_template_exists() -> None:
    from evalkit.extract.rules import resolve_rule

    for template in load_templates().values():
        assert resolve_rule(template.rule)[0].startswith(f"{template.rule}@")


def test_the_tutorial_sentence_is_verbatim() -> None:
    sentence = """Let's think step by step and output the final answer after "####"."""
    assert get_template("gsm8k-tutorial@1").user == "{question} " + sentence


def test_no_worked_example_is_a_gsm8k_question(data_folder: Path) -> None:
    known = set()
    for split in ("train", "test"):
        lines = (data_folder / f"gsm8k/{split}.jsonl").read_text().splitlines()
        known |= {" ".join(json.loads(line)["question"].casefold().split()) for line in lines}
    for template in load_templates().values():
        for turn in template.turns:
            assert turn.question.casefold() not in known


def test_worked_examples_calculate_right_and_score_right() -> None:
    from evalkit.extract.reading import extract
    from evalkit.grade.grade import grade

    turns = get_template("gsm8k-4shot").turns
    assert [turn.answer.rpartition("#### ")[2] for turn in turns] == ["22", "87", "12", "10"]
    for turn in turns:
        equations = re.findall(r"([\d*+/ -]*\d) = (\d+)", turn.answer)
        assert len(equations) == turn.answer.count("=") >= 2
        assert all(eval(left) == int(right) for left, right in equations)
        assert grade(extract(turn.answer, "hash"), turn.answer.rpartition("#### ")[2]).outcome == "correct"
    raw = get_template("gsm8k-raw").turns
    assert [(turn.question, turn.answer.lstrip()) for turn in raw] == [(t.question, t.answer) for t in turns]


def test_a_name_gives_the_newest_version(tmp_path: Path) -> None:
    for version in (1, 2, 10):
        write(tmp_path, f"mine@{version}", version=str(version))
    assert get_template("mine", [tmp_path]).ref == "mine@10"
    assert get_template("mine@2", [tmp_path]).ref == "mine@2"


@pytest.mark.parametrize(
    ("typed", "meant"), [("gsm8k-bxed", "gsm8k-boxed"), ("gsm8k-boxed@2", "gsm8k-boxed@1")]
)
def test_unknown_names_come_with_near_ones(typed: str, meant: str) -> None:
    with pytest.raises(
        UserError,
        match=f"no prompt template '{typed}'.*did you mean .*{meant}.*prompts list.*--prompts FOLDER",
    ):
        get_template(typed)


def test_an_edited_released_text_is_refused_with_the_fix(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert not load_templates([tmp_path])["mine@1"].released
    release("mine@1", tmp_path)
    assert load_templates([tmp_path])["mine@1"].released
    path.write_text(path.read_text().replace("{question}", "{question} "))
    with pytest.raises(
        Mismatch, match=r"edited after its release as mine@1.*evalkit prompts new mine"
    ) as error:
        load_templates([tmp_path])
    assert error.value.exit_code == 3
    assert load_templates([tmp_path], verify=False)["mine@1"].user == "{question} "


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_git_shows_what_was_edited_and_brings_it_back(tmp_path: Path) -> None:
    """The released text is two commits back: a correction and the edit itself were committed since."""
    path = write(tmp_path)
    released = path.read_text()
    release("mine@1", tmp_path)
    git(tmp_path, "init", "-q")
    for text in (released, f'{released}\ndescription = "Corrected."', released.replace("}'", "}?'")):
        path.write_text(text)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-q", "-m", "change")
    with pytest.raises(Mismatch) as error:
        load_templates([tmp_path])
    assert "-user = '{question}'" in error.value.detail
    assert "+user = '{question}?'" in error.value.detail
    assert len(str(error.value).splitlines()) == 1
    command = re.search(r"undo the edit of mine@1: (git .*), or make a new version", str(error.value))
    assert command
    subprocess.run(shlex.split(command[1]), check=True)
    assert load_templates([tmp_path])["mine@1"].description == "Corrected."


def test_tasks_and_description_may_be_corrected_after_release(tmp_path: Path) -> None:
    write(tmp_path)
    release("mine@1", tmp_path)
    write(tmp_path, description='"what it is for"', tasks='["gsm8k"]')
    assert load_templates([tmp_path])["mine@1"].serves("gsm8k")


def test_a_released_template_that_is_gone_is_missed(tmp_path: Path) -> None:
    path = write(tmp_path)
    release("mine@1", tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"mine@1 is gone; restore mine@1.toml"):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": None}, "user is missing"),
        ({"rule": None}, "rule is missing"),
        ({"user": "'no place for it'"}, r"user holds no \{question\}"),
        ({"kind": '"chta"'}, "kind is 'chta'; allowed: chat, raw"),
        ({"usr": "'x'"}, r"unknown key 'usr' \(did you mean user\?\); allowed: name"),
        ({"version": '"1"'}, "version is '1', it must be of type int"),
        ({"version": "true"}, "version is True, it must be of type int"),
        ({"released": "true"}, "unknown key 'released'"),
        ({"version": "2"}, "must be named mine@2.toml"),
        ({"turns": '[{question = "q"}]'}, "turns"),
        ({"turns": '[{question = "q", answer = 3}]'}, "turns"),
        ({"kind": '"raw"', "chat_template_kwargs": "{a = 1}"}, "no effect in a raw template"),
        ({"user": "'{question}"}, "cannot be read as TOML"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, changes: dict[str, str | None], message: str) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(UserError, match=message) as error:
        load_templates([tmp_path])
    assert str(path) in str(error.value)


def test_a_built_in_ref_cannot_be_taken(tmp_path: Path) -> None:
    write(tmp_path, "sums@1", name='"sums"')
    with pytest.raises(UserError, match=r"sums@1 is taken"):
        load_templates([tmp_path])


def test_the_same_folder_twice_is_one_folder(tmp_path: Path) -> None:
    write(tmp_path / "a")
    assert "mine@1" in load_templates([tmp_path / "a", tmp_path / "b" / ".." / "a", BUILT_IN])


def test_new_copies_the_text_under_the_next_version(tmp_path: Path) -> None:
    known = load_templates()
    source = known["gsm8k-4shot@1"]
    file = BUILT_IN / "gsm8k-4shot@1.toml"
    first = new_template("mine", source, file, tmp_path, known)
    assert first.name == "mine@1.toml"
    second = new_template("mine", source, file, tmp_path, load_templates([tmp_path]))
    assert second.name == "mine@2.toml"
    assert read_template(second).text_sha256 == source.text_sha256
    assert new_template("gsm8k-4shot", source, file, tmp_path, known).name == "gsm8k-4shot@2.toml"


@pytest.mark.parametrize("name", ["", "Mine", "a@1", "../a", "a b", "-a"])
def test_new_refuses_what_is_no_name(tmp_path: Path, name: str) -> None:
    known = load_templates()
    with pytest.raises(UserError, match="is no template name"):
        new_template(name, known["sums@1"], BUILT_IN / "sums@1.toml", tmp_path, known)
    assert not list(tmp_path.iterdir())


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_hash_tells_texts_apart(one: str, other: str) -> None:
    template = get_template("gsm8k-boxed@1")
    hashes = {replace(template, user=text).text_sha256 for text in (one, other)}
    assert len(hashes) == len({one, other})
    assert replace(template, system=one).text_sha256 != replace(template, marker=one).text_sha256


def run(*arguments: str) -> str:
    """The standard output of an `evalkit prompts` command that works."""
    from typer.testing import CliRunner

    from evalkit.cli.prompts import prompts_app

    done = CliRunner().invoke(prompts_app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_a_template_of_one_s_own_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "prompt-templates"
    assert "prompts release mine@1 --prompts prompt-templates" in run("new", "mine", "--from", "gsm8k-hash")
    assert "draft" in run("show", "mine", "--prompts", str(folder))
    run("release", "mine@1", "--prompts", str(folder))
    assert "#### <number>" in run("show", "mine", "--prompts", str(folder), "--question", "How many?")
    (tmp_path / "pyproject.toml").write_text('[tool.evalkit]\nprompts = ["prompt-templates"]\n')
    assert "mine@2.toml" in run("new", "mine")
    listed = {line.split()[0]: line.split()[-1] for line in run("list").splitlines()[2:]}
    assert listed["mine@1"] == "released" and listed["mine@2"] == "draft"
    assert json.loads(run("list", "--format", "json"))[0]["rule"] == "choice"
    assert run("list", "--format", "csv").startswith("prompt,kind,rule,marker,tasks,status\n")


def test_tasks_are_patterns() -> None:
    template = get_template("gsm8k-boxed@1")
    assert template.serves("gsm8k")
    assert template.serves("rg:chain_sum")
    assert not template.serves("sums")
    assert sum(template.serves("sums") for template in load_templates().values()) >= 3
