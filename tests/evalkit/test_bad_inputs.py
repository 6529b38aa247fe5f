"""Bad inputs of every kind: one sentence, exit 2 (3 for a refused lock), nothing half-written."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from places import ROOT

from evalkit.cli import app
from evalkit.run_app import run_app
from prompts.lock import Lock

LOG = ROOT / "tests/corpora/lm_eval/base"
DEEP = "[" * 100_000 + "]" * 100_000
ROW = '{"question": "1+1?", "answer": "2"}'
RAW = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")
USAGE = re.compile("No such option|extra argument|Missing")  # then nothing was read
Make = Callable[[Path], list[str]]


def verl(messages: str) -> str:
    """A row in verl's columns."""
    return f'{{"prompt": [{messages}], "reward_model": {{"ground_truth": "1"}}}}'


def file(name: str, content: str | bytes, *arguments: str) -> Make:
    """A file of that content, and a command on it."""

    def make(folder: Path) -> list[str]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
        return [*arguments, name]

    return make


def pipe(name: str, *arguments: str) -> Make:
    def make(folder: Path) -> list[str]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(folder / name)
        return list(arguments)

    return make


def model(changes: dict[str, str], *arguments: str) -> Make:
    """A model folder with some files of that content."""

    def make(folder: Path) -> list[str]:
        (folder / "m").mkdir()
        for name, content in {"config.json": "{}", **changes}.items():
            (folder / "m" / name).write_text(content, encoding="utf-8")
        return [*(arguments or ("score", "--task", "sums", "--limit", "1", "--model")), "m"]

    return make


def run_with(name: str, content: bytes | None, *arguments: str) -> Make:
    """An imported run in which one file has that content, or is gone."""

    def make(folder: Path) -> list[str]:
        from evalkit.exchange.imported import write_run
        from evalkit.exchange.lm_eval_in.import_run import read_log
        from evalkit.exchange.lm_eval_in.log import find_logs

        made = write_run(read_log(find_logs(LOG)[0]), folder / "results")
        (made / name).unlink(missing_ok=True)
        if content is not None:
            (made / name).write_bytes(content)
        if name.endswith(".gz"):
            (made / "records.jsonl").unlink()
        return [*(arguments or ("show",)), made.name]

    return make


def training(content: str, *arguments: str) -> Make:
    """A training run's folder whose train.json has that content."""

    def make(folder: Path) -> list[str]:
        file("runs/r/train.json", content)(folder)
        return list(arguments)

    return make


BAD: dict[str, Make] = {
    **{
        f"tasks {name}": file(name, content, "tasks", "show")
        for name, content in {
            "deep.json": DEEP,
            "deep.jsonl": DEEP,
            "cut.json": '[{"question',
            "cut.jsonl": ROW + '\n{"qu',
            "empty.json": "",
            "empty.jsonl": "",
            "number.json": "5",
            "text.jsonl": '"a"',
            "list.jsonl": "[1]",
            "nul.csv": b"question,answer\n\x00\x00,2\n\xff\xfe",
            "latin.csv": "question,answer\né,2\n".encode("latin-1"),
            "no.parquet": b"PAR1",
            "empty.parquet": b"",
            "null.jsonl": '{"question": null, "answer": 2}',
            "parts.jsonl": '{"question": [{"type": "text"}], "answer": 2}',
            "other.jsonl": '{"q": 1}',
            "image.jsonl": '{"question": "<image> what?", "answer": "2", "images": ["a.png"]}',
            "system.jsonl": verl('{"role": "system", "content": null}, {"role": "user", "content": "a"}'),
            "picture.jsonl": verl('{"role": "user", "content": [{"type": "image"}]}'),
            "none.jsonl": '{"prompt": [], "reward_model": {"ground_truth": "1"}}',
            "surrogate.jsonl": '{"question": "\ud800", "answer": "1"}',
        }.items()
    },
    "tasks pipe": pipe("p.jsonl", "tasks", "show", "p.jsonl"),
    "tasks pipe parquet": pipe("p.parquet", "tasks", "show", "p.parquet"),
    "parquet pipe": pipe("p.parquet", "check", "smollm2-135m", "--data", "p.parquet"),
    "tasks missing": lambda folder: ["tasks", "show", "none.jsonl"],
    "tasks folder": lambda folder: [(folder / "d.jsonl").mkdir(), "tasks", "show", "d.jsonl"][1:],  # type: ignore[list-item]
    "tasks long name": lambda folder: ["tasks", "show", "x" * 300 + ".jsonl"],
    **{
        f"model {name}": model({name: content})
        for name, content in {
            "config.json": DEEP,
            "generation_config.json": "[1]",
            "model.safetensors.index.json": '{"weight_map": {"a": 5}}',
            "model.safetensors": "",
            "tokenizer.json": "{}",
            "pytorch_model.bin": "x",
        }.items()
    },
    **{
        f"config {number}": model({"config.json": content})
        for number, content in enumerate(
            (
                "",
                "[]",
                "5",
                '{"auto_map": ["a.b"]}',
                '{"auto_map": []}',
                '{"auto_map": "x"}',
                '{"text_config": 5}',
                '{"max_position_embeddings": "many"}',
                '{"max_position_embeddings": -1}',
                '{"model_type": 7}',
                "\x00",
            )
        )
    },
    **{
        f"index {number}": model({"model.safetensors.index.json": content})
        for number, content in enumerate(
            (
                "5",
                "{}",
                '{"weight_map": 5}',
                '{"weight_map": {}}',
                '{"weight_map": {"a": "../../x"}}',
                json.dumps({"weight_map": {"a": "x" * 300}}),
                '{"weight_map": {"a": "gone.safetensors"}}',
                DEEP,
            )
        )
    },
    "model pipe": pipe("m/config.json", "score", "--model", "m", "--task", "sums"),
    "model missing": lambda folder: ["score", "--model", "none", "--task", "sums"],
    "model long name": lambda folder: ["score", "--model", "x" * 300, "--task", "sums"],
    "model adapter": lambda folder: [
        (folder / "a").mkdir(),
        (folder / "a/adapter_config.json").write_text('{"base_model_name_or_path": "b"}'),
        "score",
        "--model",
        "a",
        "--task",
        "sums",
    ][2:],  # type: ignore[list-item]
    **{
        f"lock {number}": model({"prompt.lock.json": content}, "check")
        for number, content in enumerate(
            (
                "",
                "{}",
                "[]",
                DEEP,
                '{"reading": {}, "data": {}, "budget": {}, "schema": "x"}',
                '{"reading": {}, "data": {}, "budget": {}, "schema": 99}',
                '{"reading": {}, "data": {}, "budget": {}}',
            )
        )
    },
    **{
        f"{name} {number}": run_with(name, content)
        for name, contents in {
            "manifest.json": (b"", b"[]", b"{}", DEEP.encode(), b"\xff"),
            "summary.json": (None,),
            "prompt.lock.json": (b"{}", None),
            "records.jsonl": (b"{}\n", b"x", None),
            "records.jsonl.gz": (b"x", gzip.compress(bytes(1 << 28))),
        }.items()
        for number, content in enumerate(contents)
    },
    **{
        f"import {name}": file(name, content, "import")
        for name, content in {
            "samples_a_1.jsonl": DEEP,
            "samples_b_1.jsonl": "{}",
            "samples_c_1.jsonl": "",
            "d.txt": "x",
        }.items()
    },
    "import pipe": pipe("samples_p_1.jsonl", "import", "samples_p_1.jsonl"),
    "import nothing": lambda folder: ["import", "none"],
    "toml deep": file("pyproject.toml", "a = " + DEEP, "runs", "--format"),
    "toml no table": file("pyproject.toml", "[tool]\nevalkit = 5\n", "runs", "--format"),
    "report taken": lambda folder: [(folder / "r.html").touch(), "report", "none", "--output", "r.html"][1:],  # type: ignore[list-item]
}


TOML = 'name = "a"\nversion = 1\nkind = "chat"\nrule = "boxed"\nuser = "{question}"\n'
BAD |= {
    **{
        f"{command} {name} {number}": run_with(name, content, *command.split())
        for command in ("diff gone", "report", "export --to hf-card", "rescore", "why gone")
        for number, (name, content) in enumerate(
            (
                ("manifest.json", b'{"schema": 1, "status": "complete"}'),
                ("manifest.json", b"\xff\xfe"),
                ("prompt.lock.json", b'{"reading": 1}'),
                ("records.jsonl", b'{"id": 5}\n'),
            )
        )
    },
    **{
        f"template {number}": file(
            f"t/{name}", content, "prompts", "show", "a@1", "--prompts", "t", "--question"
        )
        for number, (name, content) in enumerate(
            (
                ("a@1.toml", ""),
                ("a@1.toml", "name = "),
                ("a@1.toml", TOML.replace('"a"', '"b"')),
                ("a@1.toml", TOML.replace("version = 1", "version = true")),
                ("a@1.toml", TOML.replace("{question}", "question")),
                ("a@1.toml", TOML.replace('"chat"', '"talk"')),
                ("a@1.toml", TOML + "turns = 5\n"),
                ("a@1.toml", TOML + "[[turns]]\nquestion = 5\nanswer = 6\n"),
                ("a@1.toml", TOML + "colour = 1\n"),
                ("a@1.toml", b"\xff" + TOML.encode()),
                ("released.json", "[]"),
                ("released.json", "{"),
            )
        )
    },
    "template pipe": pipe("t/a@1.toml", "prompts", "show", "a@1", "--prompts", "t"),
    **{
        f"options {number}": lambda folder, words=words: words.split()
        for number, words in enumerate(
            (
                "diff a",
                "diff a a",
                "show none",
                "rescore none --rule boxed",
                "report none",
                "export none --to hf-card",
                "extract --rule none text",
                "score --model smollm2-135m --task none",
                "score --model smollm2-135m --task sums --split none",
                "score --model smollm2-135m --task sums --samples 0",
                "score --model smollm2-135m --task sums --temperature nan",
                "score --model smollm2-135m --task sums --top-p 2",
                "score --model smollm2-135m --task sums --limit 0",
                "score --model smollm2-135m --task sums --ids none",
                "score --model smollm2-135m --task sums --prompt none",
                "score --model smollm2-135m --task sums --max-tokens 0",
                "prompts adopt smollm2-135m --prompt sums",
                "power --model none --gain 2",
            )
        )
    },
}


def trained(name: str, content: str) -> Make:
    """A training run in which one file has that content, and the doctor."""

    def make(folder: Path) -> list[str]:
        from made_training_runs import HEALTHY, RIGHT, WRONG, make_run

        (folder / "runs").mkdir()
        make_run(folder / "runs/r", steps=HEALTHY[:1], rollouts=[[RIGHT, WRONG]])
        (folder / "runs/r" / name).write_text(content)
        return ["doctor", "r"]

    return make


TRAIN: dict[str, Make] = {
    **{
        f"a run's {name} {number}": trained(name, content)
        for name, contents in {
            "metrics.jsonl": (
                '{"step": "1"}\n',
                '{"step": 1, "actor/lr": "x"}\n',
                '{"step": 1, "actor/lr": [1]}\n',
                DEEP + "\n",
                '{"step": 1, "actor/lr": 1' + "0" * 400 + "}\n",
            ),
            "prompt.lock.json": ("5", "{}", '{"reading": 5}', DEEP),
        }.items()
        for number, content in enumerate(contents)
    },
    **{
        f"{command} {number}": training(content, *command.split())
        for command in ("doctor r", "watch r", "agree r")
        for number, content in enumerate(("", "[]", "{", '{"schema": 99}', '{"options": 5}', DEEP))
    },
    **{
        f"train {number}": lambda folder, words=words: words.split()
        for number, words in enumerate(
            (
                "grpo --model none --task sums",
                "grpo --model smollm2-135m --task none",
                "grpo --model smollm2-135m --task sums --steps 0",
                "grpo --model smollm2-135m --task sums --set a",
                "grpo --model smollm2-135m --task sums --set data.prompt_key=x",
                "doctor none",
                "watch none",
                "merge none --output out",
                "plan --model none --task sums",
            )
        )
    },
}


def signed(**sections: dict[str, object]) -> str:
    """A lock that hashes to what it says, whatever stands in it."""
    given = {name: sections.get(name, {}) for name in ("reading", "data", "budget", "carries")}
    return json.dumps(Lock(**given).as_dict())  # type: ignore[arg-type]


def header(content: str) -> Make:
    """A model whose weights begin with that header."""

    def make(folder: Path) -> list[str]:
        (folder / "m").mkdir()
        (folder / "m/config.json").write_text("{}")
        raw = content.encode()
        (folder / "m/model.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw)
        return ["score", "--task", "sums", "--limit", "1", "--model", "m"]

    return make


SCORER: dict[str, object] = {"rule": "boxed@1", "version": 2}
BAD |= {
    **{
        f"lock of {number}": model({"prompt.lock.json": signed(**sections)}, "check")
        for number, sections in enumerate(
            (
                {"reading": {"scorer": {"rule": "boxed@1", "version": "x"}}},
                {"reading": {"scorer": SCORER, "stop_ids": "2"}},
                {"reading": {"scorer": SCORER, "template": [1]}},
                {"reading": {"scorer": SCORER, "thinking": 5}},
                {"reading": {"scorer": SCORER, "parts": {"sums": 5}}},
                {"reading": {"scorer": SCORER, "probe": {"1": {"text": "a"}}}},
                {"data": {"prompts": 5}},
                {"data": {"prompts": {"a": 5}}},
                {"data": {"parts": [{"ids": "a"}]}},
                {"data": {"task": ["../../x"]}},
                {"data": {"marks": "a"}},
                {"budget": {"max_tokens": "many"}},
                {"carries": {"questions": {"a": 1}}},
                {"reading": {"scorer": SCORER, "template": {"ref": "sums-question@1"}}},  # no model's
            )
        )
    },
    **{
        f"weights {number}": header(content)
        for number, content in enumerate(
            (
                DEEP,
                '{"a": ' + DEEP + "}",
                '{"a": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 4]}}',
                '{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
                '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
                '{"a": 5}',
                "[]",
            )
        )
    },
    "tokenizer elsewhere": model(
        {"tokenizer_config.json": '{"tokenizer_file": "/etc/hostname"}'},
        "prompts",
        "show",
        "sums-question",
        "--model",
    ),
}


def test_there_are_enough() -> None:
    assert len(BAD) >= 60


@pytest.mark.parametrize("name", [*BAD, *TRAIN])
def test_bad_input_is_one_sentence_and_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from trainkit.cli import app as train_app

    monkeypatch.chdir(tmp_path)
    arguments = {**BAD, **TRAIN}[name](tmp_path)
    if arguments[-1] == "pyproject.toml":
        arguments = [*arguments[:-1], "table"]
    before = {path for path in tmp_path.rglob("*") if path.name[0] != "."}
    monkeypatch.setattr(sys, "argv", ["trainkit" if name in TRAIN else "evalkit", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_app(train_app if name in TRAIN else app)
    out, said = capfd.readouterr()
    lines = [line for line in said.splitlines() if not line.startswith("  ")]
    assert ended.value.code in (2, 3), said
    assert not RAW.search(out + said) and not USAGE.search(said), said
    assert "Traceback" not in said and lines and lines[-1].startswith("error: "), said
    assert {path for path in tmp_path.rglob("*") if path.name[0] != "."} == before
    shutil.rmtree(tmp_path)
