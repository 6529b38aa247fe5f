"""`evalkit extract`, `compare-rules` and `tasks check` from the command line.

pytest tests/evalkit/cli/test_extract.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_runs import DATA, evalkit, four_runs, needs_gsm8k, refused
from opening_model import opening_model
from places import ROOT

from evalkit.extract.rules import RULES
from evalkit.runs.compare_rules import compare_rules

ROWS = [
    {"id": "a", "text": "#### 18.", "gold": "18"},
    {"id": "b", "text": "", "gold": 18},
    {"id": 3, "text": "So \\boxed{5}\n\u2028x"},
    {"text": "The answer is 7", "gold": "8"},
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_extract_file(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", ROWS)
    done = evalkit("extract", source, "--rule", "lenient", "--output", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    read = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in read] == ["a", "b", 3, None]
    assert [row["answer"] for row in read] == ["18", None, "5", "7"]
    assert [row.get("outcome") for row in read] == ["correct", "no_answer", None, "wrong"]
    assert read[0] | {"rule": "", "reason": ""} == {
        "id": "a", "answer": "18", "rule": "", "span": [5, 7], "outcome": "correct", "reason": "",
    }  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_texts_of_a_model_that_thinks(smollm2: Path, tmp_path: Path) -> None:
    """Under the template of a model that opens a block, which has special tokens of thinking too."""
    model = opening_model(smollm2, tmp_path / "model")
    texts = ["\\boxed{5}? Wait", "\\boxed{5}</think>\\boxed{6}", "[THINK]5[/THINK]</think>\\boxed{6}"]
    source = write(tmp_path / "in.jsonl", [{"id": i, "text": text} for i, text in enumerate(texts)])
    done = evalkit("extract", source, "--rule", "boxed", "--model", model, cwd=tmp_path)
    assert [json.loads(line)["answer"] for line in done.stdout.splitlines()] == [None, "6", "6"]
    assert "marks its thinking by special tokens ([/THINK], [THINK])" in done.stderr
    arguments = ["extract", "--rule", "boxed", "--model", str(model), "--explain"]
    shown = evalkit(*arguments, texts[0], cwd=tmp_path).stdout
    assert "a thinking block was never closed" in shown and "answer: none" in shown
    assert "answer: 6" in evalkit(*arguments, texts[1], cwd=tmp_path).stdout


def test_extract_streams(tmp_path: Path) -> None:
    """Standard input to standard output: rows in = rows out, in order."""
    lines = "".join(json.dumps({"id": i, "text": f"#### {i}"}) + "\n" for i in range(10_000))
    command = [
        sys.executable,
        "-c",
        "from evalkit.cli.app import main; main()",
        "extract",
        "-",
        "--rule",
        "hash",
    ]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["answer"] for line in done.stdout.splitlines()] == [
        str(i) for i in range(10_000)
    ]


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", [{"id": i, "text": "#### 1"} for i in range(50_000)])
    program = f"{sys.executable} -c 'from evalkit.cli.app import main; main()'"
    command = f"{program} extract {tmp_path}/in.jsonl | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert json.loads(done.stdout)["answer"] == "1"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["extract"], ["--explain"]),
        (["extract", "in.jsonl", "--explain", "x"], ["--explain"]),
        (["extract", "in.jsonl", "--rule", "boxd"], ["boxd", "boxed"]),
        (["extract", "none.jsonl"], ["none.jsonl", "No such file"]),
        (["extract", "."], ["cannot be read"]),
        (["extract", "broken.jsonl", "--output", "out.jsonl"], ["broken.jsonl line 2"]),
        (["extract", "list.jsonl", "--output", "out.jsonl"], ["list.jsonl line 1", "text"]),
        (["extract", "in.jsonl", "--output", "in.jsonl"], ["exists"]),
        (["extract", "in.jsonl", "--output", "no/out.jsonl"], ["mkdir -p no"]),
        (["extract", "--explain", "x", "--rule", "lenien"], ["lenient"]),
        (["compare-rules", "nothing"], ["nothing"]),
    ],
)
def test_wrong_input(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    write(tmp_path / "in.jsonl", ROWS)
    (tmp_path / "broken.jsonl").write_text('{"text": "18"}\n{"text": \n')
    (tmp_path / "list.jsonl").write_text("[1]\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    refused(evalkit(*arguments, cwd=tmp_path), 2, *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_explain(tmp_path: Path) -> None:
    done = evalkit("extract", "--explain", "<think>5</think>#### 18\nNo, \\boxed{20}\x1b[2J", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "answer: 20" in done.stdout and "lenient@3/boxed" in done.stdout and "last one counts" in done.stdout
    )
    assert "\x1b" not in done.stdout


@needs_gsm8k
def test_compare_rules(tmp_path: Path) -> None:
    run = four_runs(tmp_path / "results", 60)[0]
    compared = compare_rules(run)
    assert set(compared.counts) == {f"{name}@{max(RULES[name])}" for name in RULES}
    assert all(counts.total() == 60 for counts in compared.counts.values())
    assert compared.counts["lenient@3"]["correct"] > compared.counts["boxed@3"]["correct"]
    assert compared.counts["hash@3"]["no_answer"] == 60

    table = evalkit("compare-rules", "step_0", "--rules", "boxed,lenient", cwd=tmp_path)
    assert table.returncode == 0, table.stderr
    assert "lenient@3" in table.stdout and "the rules disagree on" in table.stdout
    as_json = evalkit("compare-rules", "step_0", "--format", "json", cwd=tmp_path)
    (value,) = json.loads(as_json.stdout)
    assert value == json.loads(json.dumps(compared.as_dict()))
    assert value["rules"][0].keys() == {"rule", "accuracy", "correct", "wrong", "no_answer", "unscored"}


@needs_gsm8k
def test_every_gsm8k_gold_reads_as_itself(tmp_path: Path) -> None:
    done = evalkit("tasks", "check", "gsm8k", "--data", DATA, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1,319 golds" in done.stdout and " 0 otherwise" in done.stdout


def test_a_gold_that_no_rule_reads_fails_the_check(tmp_path: Path) -> None:
    write(tmp_path / "bad.jsonl", [{"question": "q", "answer": "18}{"}])
    done = evalkit("tasks", "check", "bad.jsonl", cwd=tmp_path)
    assert "2 otherwise than they had to be" in done.stdout
    refused(done, 1, "2 of 2 texts")
