"""`evalkit report` without a browser (with one: test_report_browser.py)."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import msgspec
import pytest
from made_runs import (
    DATA,
    completion,
    evalkit,
    four_runs,
    gsm8k_rows,
    lock_of,
    long_runs,
    make_run,
    needs_gsm8k,
    refused,
)
from places import ROOT
from written_runs import record, write

from evalkit.compare.curve import curve_of
from evalkit.compare.diff import diff_runs, line_up
from evalkit.compare.verdict import sentence
from evalkit.grade.judge import judge
from evalkit.records import Row
from evalkit.report.breakdown import count_steps
from evalkit.report.collect import collect
from evalkit.report.page import render_page
from evalkit.runs.folder import Run, read_run
from evalkit.text import HIDDEN, p_text
from prompts.errors import UserError

pytestmark = needs_gsm8k


def packed(html: str) -> dict[str, Any]:
    """The questions that the page holds."""
    data = re.search(r'id="data">([A-Za-z0-9+/=]*)</script>', html)
    assert data
    value: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(data[1])))
    return value


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def runs(root: Path) -> list[Run]:
    return four_runs(root / "results", 200)


def test_runs_that_think(tmp_path: Path, root: Path, runs: list[Run]) -> None:
    """Figures of their own, a filter, and the part that was read for each completion."""
    texts = ["<think>17</think>\\boxed{18}", "<think>is it 18", "\\boxed{18}"]
    entries = []
    for number, text in enumerate(texts):
        entry = record(str(number), text, "18")
        judgement = judge(text, "18", "boxed@2")
        entries.append(
            msgspec.structs.replace(
                entry,
                outcome=judgement.grade.outcome,
                reason=judgement.grade.reason,
                thinking_tokens=[2, 3, None][number],
            )
        )
    html = render_page(collect([read_run(write(tmp_path / "run", entries))], {}, "no task"))
    assert '<th scope="col">Unfinished thinking</th>' in html or "Unfinished thinking" in html
    assert 'value="unfinished"' in html
    samples = [question["runs"][0][0] for question in packed(html)["questions"]]
    assert [sample["thinking"] for sample in samples] == [2, 3, None]
    parts = [sample["part"] and texts[i][slice(*sample["part"])] for i, sample in enumerate(samples)]
    assert parts == ["\\boxed{18}", "", None]
    assert [sample["reason"] for sample in samples] == ["equal", "unfinished thinking", "equal"]
    plain = render_page(collect(runs, {}, "no task"))
    assert "Unfinished thinking" not in plain and 'value="unfinished"' not in plain


def test_command_line(root: Path, runs: list[Run]) -> None:
    done = evalkit("report", "step_0", "step_150", cwd=root, EVALKIT_DATA=str(DATA))
    assert done.returncode == 0 and "wrote report.html" in done.stderr, done.stderr
    html = (root / "report.html").read_text(encoding="utf-8")
    questions = packed(html)["questions"]
    assert len(questions) == 200 and all(question["solution"] for question in questions)
    texts = {record.id: record.text for record in runs[3].records}
    assert all(question["runs"][1][0]["text"] == texts[question["id"]] for question in questions)
    diff = diff_runs(runs[0], runs[3])
    assert f"{100 * diff.delta:+.1f}" in html
    refused(evalkit("report", "step_0", cwd=root), 2, "report.html exists")


def test_wrong_arguments(root: Path, runs: list[Run]) -> None:
    refused(evalkit("report", "step_0", "--output", "no/such/x.html", cwd=root), 2, "is no folder")
    refused(evalkit("report", "step_0", "--output", "x" * 300, cwd=root), 2, "cannot be written")
    refused(
        evalkit("report", "step_0", "step_0", "--output", "a.html", cwd=root), 2, "same run was given twice"
    )
    refused(evalkit("report", "nothing", "--output", "a.html", cwd=root), 2, "no run")
    empty = make_run(root / "elsewhere" / "empty", [], completion)
    refused(evalkit("report", empty.folder, "--output", "a.html", cwd=root), 2, "no completions")
    rows = gsm8k_rows(5)
    torn = make_run(root / "elsewhere" / "torn", rows, lambda row, _: completion(row, 0))
    with (torn.folder / "records.jsonl").open("ab") as file:
        file.write(b'{"id": "x", "text": "\xff')
    refused(evalkit("report", torn.folder, "--output", "a.html", cwd=root), 2, "line 6 cannot be read")
    assert not (root / "a.html").exists() and not list(root.glob(".*"))


def test_other_task_other_prompt_other_rows_and_marks_are_said(tmp_path: Path) -> None:
    rows = gsm8k_rows(30)
    base = make_run(tmp_path / "base", rows, lambda row, _: completion(row, 0))
    other_task = make_run(tmp_path / "sums", rows[:10], lambda row, _: completion(row, 0), task="sums")
    other_lock = lock_of(rows, chat_template={"sha256": "0" * 64})
    other_prompt = make_run(
        tmp_path / "prompt", rows, lambda row, _: completion(row, 0), lock=other_lock, marks=["mismatch"]
    )
    fewer = make_run(tmp_path / "fewer", rows[:10], lambda row, _: completion(row, 100))
    page = collect([base, other_task, other_prompt, fewer], {}, "no data here")
    said = " ".join(page.notices)
    assert "A and B are not compared: they are of different tasks, gsm8k and sums" in said
    assert "reading.chat_template" in said and "C prompt is marked: mismatch" in said
    assert "A and D are not compared" in said and "different questions" in said
    assert page.title == "evalkit report: gsm8k (test), sums (test)"
    assert page.missing == ("Accuracy by number of steps is left out: no data here",)
    assert [chart.id for chart in page.dot_charts] == ["curve", "by-length"]
    assert len(page.questions) == 30 and page.questions[0]["runs"][0]
    assert "not all of them can be compared" in page.sentence
    render_page(page)


def test_the_page_names_no_address(runs: list[Run]) -> None:
    page = unescape(re.sub(r'(id="data">)[^<]*<', r"\1<", render_page(collect(runs, {}, None))))
    assert "default-src 'none'" in page and "unsafe" not in page
    for forbidden in ("http:", "https:", "url(", "@import", " style=", "innerHTML", "eval("):
        assert forbidden not in page, forbidden
    assert not re.search(r"<[^>]*\son\w+=", page.split("<script>")[0])


def test_the_same_characters_are_made_visible_on_both_sides() -> None:
    script = (ROOT / "evalkit/report/templates/report.js").read_text(encoding="utf-8")
    pattern = re.search(r"const HIDDEN = /\[(.*)\]/gu;", script)
    assert pattern
    wide = re.sub(r"\\u\{([0-9a-f]+)\}", lambda m: f"\\U{int(m[1], 16):08x}", pattern[1])
    in_script = re.compile(f"[{wide.encode().decode('unicode_escape')}]")
    for code in range(0x110000):
        assert bool(HIDDEN.fullmatch(chr(code))) == bool(in_script.fullmatch(chr(code))), hex(code)


def test_steps_are_the_lines_of_the_solution() -> None:
    assert count_steps("She has 3.\n\nShe buys <<3+1=4>>4.\n#### 4") == 2
    answers = [row.fields["answer"] for row in gsm8k_rows()]
    assert min(map(count_steps, answers)) >= 1 and max(map(count_steps, answers)) < 15


def test_spans_count_as_javascript_does(tmp_path: Path) -> None:
    rows = gsm8k_rows(1)
    run = make_run(
        tmp_path / "emoji", rows, lambda row, _: (f"\U0001f600\U0001f600 so \\boxed{{{row.gold}}}", False)
    )
    sample = collect([run], {}, None).questions[0]["runs"][0][0]
    start, end = run.records[0].extraction.span
    assert sample["span"] == [start + 2, end + 2]
    units = sample["text"].encode("utf-16-le")
    assert units[2 * sample["span"][0] : 2 * sample["span"][1]].decode("utf-16-le") == rows[0].gold


def test_four_full_runs_fit(tmp_path: Path) -> None:
    """4 x 1,319 questions with completions near the limit of 512 tokens stay far below 15 MB."""
    rows = gsm8k_rows()
    runs = long_runs(tmp_path, rows)
    html = render_page(collect(runs, {row.id: row.fields["answer"] for row in rows}, None))
    assert len(html.encode()) < 15e6


def test_figures_are_those_of_diff(runs: list[Run]) -> None:
    """For two runs and for a curve: the sentence, every delta and every adjusted p."""
    page = collect(runs, {}, "none")
    curve = curve_of(line_up(runs))
    assert page.sentence == f"{curve.sentence()}."
    for row, step in zip(page.runs[1:], curve.against_first, strict=True):
        assert row.cells[3].startswith(f"{100 * step.diff.delta:+.1f} [")
        assert row.cells[4] == p_text(step.p_value)
    assert page.flow is not None
    assert [bar.name for bar in page.flow.bars] == ["A to B", "A to C", "A to D", "B to C", "C to D"]
    two = collect(runs[:2], {}, "none")
    diff = diff_runs(runs[0], runs[1])
    assert two.sentence == f"{sentence(diff)}." and two.runs[1].cells[4] == p_text(diff.p_value)
    assert two.runs[0].cells[3:5] == ("—", "—")


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "cut", gsm8k_rows(5), lambda row, _: completion(row, 0))
    lines = (run.folder / "records.jsonl").read_bytes().splitlines(keepends=True)
    (run.folder / "records.jsonl").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(UserError, match="manifest says 5"):
        collect([read_run(run.folder)], {}, "none")


def test_several_samples_add_up(tmp_path: Path) -> None:
    """Each question is in one part of the flow, also where the same part of its samples is right."""
    rows = gsm8k_rows(30)
    both = [
        make_run(
            tmp_path / f"r{step}", rows, lambda row, s, step=step: completion(row, step + 40 * s), samples=3
        )
        for step in (0, 40)
    ]
    page = collect(both, {}, "none")
    assert page.flow is not None
    parts = page.flow.bars[0].parts
    assert [part.kind for part in parts] == [
        "both-right",
        "fixed",
        "broken",
        "both-wrong",
        "equally-often-right",
    ]
    assert sum(part.count for part in parts) == 30


def test_nothing_scored_and_a_single_question(tmp_path: Path) -> None:
    odd = [Row(id=f"{i:016x}", question="q" * i, gold=None) for i in range(1, 4)]
    nothing = [make_run(tmp_path / f"u{i}", odd, lambda row, _: ("x", False)) for i in range(2)]
    page = collect(nothing, {}, "none")
    assert "no question could be scored" in page.notices[0] and render_page(page)
    one = make_run(tmp_path / "one", gsm8k_rows(1), lambda row, _: (f"\\boxed{{{row.gold}}}", False))
    page = collect([one], {}, "none")
    assert page.sentence == "one: 100.0 % of 1 questions right, 95 % CI 20.7 to 100.0." and render_page(page)
