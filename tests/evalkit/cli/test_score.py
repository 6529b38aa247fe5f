"""`evalkit score` and its neighbours at the command line: one line on stderr for every mistake.

    pytest tests/evalkit/cli/test_score.py

Nothing here loads an engine: mistakes are found before, and finished runs are only read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from evalkit.cli.app import app
from evalkit.engines.base import EngineOptions
from evalkit.models.resolve import resolve_model
from evalkit.run_app import run_app
from evalkit.runs.folder import RunWriter, list_runs
from evalkit.score.plan import plan_run, select
from evalkit.score.resume import default_folder, model_slug
from evalkit.settings import settings
from evalkit.tasks.load import load_rows
from prompts.lock import Lock, write_lock
from prompts.reading.completion import Decoded


class Result(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Result]
SCORE = ("score", "--model", "smollm2-135m", "--task", "sums")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command in this process, as the console script does, in an empty folder."""
    import evalkit.cli  # noqa: F401

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVALKIT_RESULTS", raising=False)

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["evalkit", *arguments])
        capfd.readouterr()
        code: Any = 0
        try:
            run_app(app)
        except SystemExit as end:
            code = end.code or 0
        out, err = capfd.readouterr()
        return Result(int(code), out, err)

    return call


def one_line(result: Result, *parts: str, code: int = 2) -> None:
    assert result.code == code, result
    assert result.out == "" and "Traceback" not in result.err
    assert len(result.err.strip().splitlines()) == 1, result.err
    for part in parts:
        assert part in result.err, (part, result.err)


MISTAKES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "unknown task": (("score", "--model", "smollm2-135m", "--task", "gsm9k"), ("gsm9k", "near: gsm8k")),
    "unknown split": ((*SCORE, "--split", "tset"), ("'tset'", "test, train", "--split test")),
    "unknown template": ((*SCORE, "--prompt", "sums-hsh"), ("sums-hsh", "sums-hash", "evalkit prompts list")),
    "unknown engine": ((*SCORE, "--engine", "vlm"), ("'vlm'", "--engine vllm")),
    "unknown model": (("score", "--model", "smol", "--task", "sums"), ("no model smol", "smollm2-135m")),
    "limit 0": ((*SCORE, "--limit", "0"), ("--limit 0", "at least 1")),
    "ids": ((*SCORE, "--ids", "zzz"), ("has no row zzz", "evalkit tasks show")),
    "samples 0": ((*SCORE, "--samples", "0"), ("--samples 0",)),
    "greedy samples": ((*SCORE, "--samples", "4"), ("--temperature 0.8",)),
    "top-p": ((*SCORE, "--top-p", "1.5"), ("--top-p 1.5",)),
    "temperature": ((*SCORE, "--temperature", "-1"), ("--temperature -1",)),
    "max-tokens": ((*SCORE, "--max-tokens", "0"), ("--max-tokens 0",)),
    "more than the positions": (
        (*SCORE, "--max-tokens", "8192"),
        ("--max-tokens 8192: smollm2-135m has 8192 positions", "--max-tokens 4096"),
    ),
    "more than --max-model-len": (
        (*SCORE, "--max-tokens", "64", "--max-model-len", "64"),
        ("--max-tokens 64", "has 64 positions"),
    ),
    "positions": ((*SCORE, "--max-model-len", "9999"), ("--max-model-len 9999", "8192")),
    "tp": ((*SCORE, "--tp", "64"), ("--tp 64 needs 64 GPUs", "found")),
    "hf over GPUs": ((*SCORE, "--engine", "hf", "--tp", "2"), ("--tp", "leave them out")),
    "missing file": (("score", "--model", "smollm2-135m", "--task", "no.jsonl"), ("no file no.jsonl",)),
    "data": ((*SCORE[:3], "--task", "gsm8k", "--data", "."), ("gsm8k/test.jsonl", "--data", "EVALKIT_DATA")),
    "unknown option": (("score", "--modle", "m"), ("No such option: --modle", "--model", "score --help")),
    "unknown format": ((*SCORE, "--format", "yaml"), ("'yaml' is not one of 'table', 'json'", "--format")),
    "no number": ((*SCORE, "--limit", "few"), ("'--limit'", "integer")),
    "unknown command": (("scroe",), ("No such command 'scroe'", "evalkit --help")),
    "missing task": (("tasks", "check"), ("Missing argument 'task'", "evalkit tasks check --help")),
    "nothing to compare": (("diff",), ("Missing argument", "evalkit diff --help")),
    "no rows to show": (("tasks", "show", "sums", "-n", "0"), ("-n 0",)),
    "no run": (("show", "nothing"), ("no run 'nothing'", "evalkit score")),
    "fields of a named task": ((*SCORE, "--answer-field", "gold"), ("are for files",)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line(cli: Cli, tmp_path: Path, mistake: str) -> None:
    arguments, parts = MISTAKES[mistake]
    one_line(cli(*arguments), *parts)
    assert not list(tmp_path.iterdir()), "nothing may be half-written"


def test_broken_task_files(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"question": "1?", "answer": "1"}\n{"question": "2?", "answer": "two"}\n'
    )
    score = ("score", "--model", "smollm2-135m", "--task")
    one_line(
        cli(*score, "a.jsonl", "--prompt", "gsm8k-hash"),
        "row 2",
        "gold is no number",
        "'two'",
        "--answer-field",
    )
    (tmp_path / "b.jsonl").write_text('{"question": "1?", "answer": "1"}\n{"question\n')
    one_line(cli(*score, "b.jsonl"), "b.jsonl line 2 is not JSON")
    (tmp_path / "c.jsonl").write_text("")
    one_line(cli(*score, "c.jsonl"), "no rows")
    one_line(cli(*score, "a.jsonl", "--split", "test"), "no split 'test', only all")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl", "c.jsonl"]


def test_the_console_script_and_its_exit_codes(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("evalkit")
    environment = {**os.environ, "EVALKIT_RESULTS": str(tmp_path / "r")}
    done = subprocess.run(
        [script, *SCORE, "--limit", "0"], capture_output=True, text=True, env=environment, check=False
    )
    one_line(Result(done.returncode, done.stdout, done.stderr), "error: --limit 0")
    assert not (tmp_path / "r").exists()


def planned(smollm2: Path, limit: int = 4, **options: Any) -> Any:
    return plan_run(resolve_model(str(smollm2)), select(load_rows("sums"), limit, []), **options)


def test_an_output_folder_that_holds_something_else(cli: Cli, tmp_path: Path, smollm2: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "thesis.tex").write_text("x")
    one_line(cli(*SCORE, "--output", "out"), "holds other files (thesis.tex)", "--output")
    (output / "thesis.tex").unlink()
    plan = planned(smollm2)
    from evalkit.score.pipeline import manifest_of_plan

    RunWriter(output, manifest_of_plan(plan, "evalkit score"), plan.lock).close()
    result = cli(*SCORE, "--limit", "4", "--output", "out", "--max-tokens", "20", "--prompt", "sums-hash")
    one_line(result, "another run", "budget.max_tokens", "reading.template.ref", "--output")
    one_line(cli(*SCORE, "--limit", "5", "--output", "out"), "another run", "data.rows added")
    (tmp_path / "file").write_text("x")
    one_line(cli(*SCORE, "--output", "file"), "file is a file")


def test_an_end_token_that_is_no_stop_id_is_warned_of(smollm2: Path) -> None:
    plan = planned(smollm2)
    assert plan.warning is None
    assert "not among the stop ids [0]" in str(replace(plan, stop_ids=(0,)).warning)
    raw = replace(plan.template, kind="raw")
    assert replace(plan, stop_ids=(0,), template=raw).warning is None, "no chat template is used"


def test_default_folders_tell_runs_apart(smollm2: Path) -> None:
    results = Path("results")
    plans = [
        planned(smollm2),
        planned(smollm2, 5),
        planned(smollm2, prompt="sums-hash"),
        planned(smollm2, engine="hf"),
        planned(smollm2, options=EngineOptions(max_model_len=64)),  # cuts prompts and replies off
    ]
    names = [default_folder(plan, results).name for plan in plans]
    assert len(set(names)) == 5
    assert names[0].startswith("smollm2-135m-sums-test-sums@1-")
    assert default_folder(planned(smollm2), results).name == names[0]
    slugs = {
        "Qwen/Qwen2.5-0.5B@main": "Qwen2.5-0.5B_main",
        "runs/demo/global_step_50/": "demo-step_50",
        "demo:step_50": "demo-step_50",
        "/models/my model": "my_model",
    }
    assert {name: model_slug(name) for name in slugs} == slugs


@pytest.fixture
def locked_model(smollm2: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """Makes model folders that were trained on the train split of sums, under a prompt."""

    def make(name: str, prompt: str) -> Path:
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        for path in smollm2.iterdir():
            (folder / path.name).symlink_to(path)
        train = select(load_rows("sums", "train"), 32, [])
        model = resolve_model(str(folder))
        lock: Lock = plan_run(model, train, prompt=prompt, folders=settings().prompts).lock
        write_lock(lock, folder)
        return folder

    return make


def test_a_locked_model_is_scored_under_its_prompt(
    cli: Cli, locked_model: Callable[[str, str], Path]
) -> None:
    folder = str(locked_model("m", "sums-hash"))
    model = resolve_model(folder)
    plan = plan_run(model, load_rows("sums"))
    assert plan.template.ref == "sums-hash@1" and plan.marks == ()
    refused = cli("score", "--model", folder, "--task", "sums", "--prompt", "sums@1")
    assert refused.code == 3 and refused.out == "" and "Traceback" not in refused.err
    assert "sums-hash@1" in refused.err.splitlines()[0]
    assert "Reply with" in refused.err  # the diff of the text
    allowed = plan_run(model, load_rows("sums"), prompt="sums", allow_mismatch=True)
    assert allowed.marks == ("mismatch",)


def test_an_edited_chat_template_is_refused(cli: Cli, locked_model: Callable[[str, str], Path]) -> None:
    folder = locked_model("m", "sums")
    text = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    (folder / "chat_template.jinja").write_text(
        text.replace("<|im_start|>assistant", "<|im_start|> assistant")
    )
    refused = cli("score", "--model", str(folder), "--task", "sums")
    assert refused.code == 3 and "chat template" in refused.err.splitlines()[0]


def test_an_edited_released_template_is_refused_with_what_changed(
    cli: Cli, locked_model: Callable[[str, str], Path], tmp_path: Path
) -> None:
    template = tmp_path / "templates/mine@1.toml"
    words = ("--prompts", str(template.parent))
    assert cli("prompts", "new", "mine", "--from", "sums", *words).code == 0
    assert cli("prompts", "release", "mine@1", *words).code == 0
    (tmp_path / "pyproject.toml").write_text('[tool.evalkit]\nprompts = ["templates"]\n')
    folder = locked_model("m", "mine")
    template.write_text(template.read_text().replace("You do sums.", "You do sums well."))
    refused = cli("score", "--model", str(folder), "--task", "sums", "--allow-mismatch")
    assert refused.code == 3 and refused.out == ""
    assert f"{template} was edited after its release as mine@1" in refused.err.splitlines()[0]
    assert "-You do sums.<|im_end|>" in refused.err and "+You do sums well.<|im_end|>" in refused.err


def test_scoring_training_rows_is_refused(cli: Cli, locked_model: Callable[[str, str], Path]) -> None:
    folder = str(locked_model("m", "sums"))
    refused = cli("score", "--model", folder, "--task", "sums", "--split", "train")
    one_line(refused, "trained on 32 of the 272 questions", "--allow-overlap", code=3)
    plan = plan_run(resolve_model(folder), load_rows("sums", "train"), allow_overlap=True)
    assert plan.marks == ("overlap",)


def test_marks_of_a_training_run_stay(locked_model: Callable[[str, str], Path]) -> None:
    pytest.importorskip("reasoning_gym")
    folder = locked_model("m", "sums")
    (folder / "manifest.json").write_text(json.dumps({"step": 8, "marks": ["validate on test"]}))
    model = resolve_model(str(folder))
    assert plan_run(model, load_rows("sums")).marks == ("validate on test",)
    assert plan_run(model, load_rows("rg:chain_sum")).marks == ("other task",)


def test_another_task_takes_its_own_prompt(locked_model: Callable[[str, str], Path]) -> None:
    pytest.importorskip("reasoning_gym")
    model = resolve_model(str(locked_model("m", "sums-hash")))
    plan = plan_run(model, load_rows("rg:chain_sum"))
    assert plan.template.ref == "gsm8k-boxed@1" and plan.marks == ("other task",)


def test_reading_results(cli: Cli, tmp_path: Path, smollm2: Path) -> None:
    """runs, show and rescore on a run whose completions are written here."""
    from evalkit.grade.judge import judge, make_record
    from evalkit.records import Completion
    from evalkit.runs.manifest import Times
    from evalkit.runs.summary import counted, summarize
    from evalkit.score.pipeline import manifest_of_plan

    plan = planned(smollm2)
    folder = default_folder(plan, tmp_path / "results")
    manifest = manifest_of_plan(plan, "evalkit score").changed(times=Times(load=1.0, generate=2.0, score=0.0))
    writer = RunWriter(folder, manifest, plan.lock)
    held = []
    for row in plan.task.rows:
        text = f"It is {row.gold} [red]" if row.fields["a"] < row.fields["b"] else "It is 0"
        completion = Completion(index=0, sample=0, token_ids=(1, 2), finish_reason="stop")
        verdict = judge(text, row.gold, plan.lock.rule)
        record = make_record(row, 9, Decoded(text), completion, verdict, sample=0, seed=0)
        writer.append(record)
        held.append(record)
    writer.finish(counted(manifest, held), summarize(held, 5.0))

    listed = json.loads(cli("runs", "--format", "json").out)
    assert [run["name"] for run in listed] == [folder.name] and listed[0]["summary"]["n"] == 4
    assert "50.0 %" in cli("runs").out and folder.name in cli("runs").out
    assert cli("runs", "--task", "gsm8k").err.startswith("no such run")
    shown = cli("show", "smollm2", "--outcome", "correct", "-n", "1")
    assert shown.code == 0 and "⟦" in shown.out and "[red]" in shown.out
    again = cli("rescore", folder.name, "--rule", "boxed")
    assert again.code == 0 and "no answer    100.0 %" in again.out
    assert {run.name for run in list_runs(tmp_path / "results")} == {folder.name, f"{folder.name}-boxed@3"}
    ambiguous = cli("show", "smollm2")
    assert ambiguous.code == 2 and "fits 2 runs" in ambiguous.err
    complete = cli(*SCORE, "--limit", "4")
    assert complete.code == 0 and "complete already" in complete.err and "accuracy     50.0 %" in complete.out
    assert json.loads(cli(*SCORE, "--limit", "4", "--format", "json").out)["accuracy"] == 0.5
    assert "| accuracy |" in cli(*SCORE, "--limit", "4", "--format", "markdown").out


def test_tasks_commands(cli: Cli) -> None:
    assert "rg:chain_sum" in cli("tasks", "list").out
    assert len(json.loads(cli("tasks", "show", "sums", "-n", "3", "--format", "json").out)) == 3
    assert "128 rows, prompt sums@1" in cli("tasks", "show", "sums").out
