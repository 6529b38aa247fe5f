"""Two runs compared: counts by hand, the laws that any comparison obeys, what is refused.

    pytest tests/evalkit/compare/test_diff.py

Runs are written as strings, a letter a question: tests/helpers/lettered_runs.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lettered_runs import ANSWER, diff_of, evalkit, made, row, unlike
from made_runs import lock_of, make_run

from evalkit.compare.diff import compare_pair, diff_runs, line_up
from evalkit.compare.table import as_json, render_diff
from evalkit.compare.verdict import check_gates, names, sentence, verdict
from evalkit.grade.grade import SCORER_VERSION
from evalkit.records import Row
from evalkit.runs.folder import Run, read_run
from evalkit.runs.manifest import ModelFacts, NoiseFloor
from evalkit.runs.rescore import rescore
from evalkit.stats.pairs import mcnemar_exact, tango, wilson
from prompts.errors import Failed, Mismatch, UserError


def test_counts_by_hand(tmp_path: Path) -> None:
    diff = diff_of(tmp_path, "ccwwlln" + "c" * 20, "cwcwcll" + "c" * 20)
    assert (diff.n, diff.fixed, diff.broken, diff.both_right, diff.both_wrong) == (27, 2, 1, 21, 3)
    assert diff.delta == pytest.approx(1 / 27)
    assert diff.ci == tango(2, 1, 27)
    assert diff.p_value == mcnemar_exact(2, 1)
    assert diff.base.ci == wilson(22, 27)
    assert diff.new.ci == wilson(23, 27)
    # Lenient: the base reads all but two wrong ones and the silent one, the new run all but two.
    assert diff.skill_gain == pytest.approx(1 / 27)
    assert diff.format_gain == pytest.approx(0)
    assert diff.base.no_answer == pytest.approx(diff.base.truncated + 2 / 27)
    assert diff.few_discordant


def test_skill_and_format_add_up(tmp_path: Path) -> None:
    diff = diff_of(tmp_path, "l" * 60 + "w" * 40, "c" * 60 + "c" * 20 + "w" * 20)
    assert diff.skill_gain == pytest.approx(0.2)
    assert diff.format_gain == pytest.approx(0.6)
    assert diff.delta == pytest.approx(0.8)
    assert diff.format_ci.low < 0.6 < diff.format_ci.high
    assert sentence(diff).endswith("; three quarters of it is format")


runs_text = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[st.text("clwn", min_size=n, max_size=n) for _ in range(2)])
)


@settings(max_examples=40)
@given(runs_text, st.integers(0, 9))
def test_laws(tmp_path_factory: pytest.TempPathFactory, texts: tuple[str, str], seed: int) -> None:
    folder = tmp_path_factory.mktemp("laws")
    a, b = made(folder / "a", texts[0]), made(folder / "b", texts[1])
    there, back = diff_runs(a, b), diff_runs(b, a)

    zero = diff_runs(a, a)
    assert (zero.delta, zero.fixed, zero.broken, zero.p_value) == (0, 0, 0, 1)
    assert (zero.skill_gain, zero.format_gain) == (0, 0)
    assert zero.skill_ci.as_list() == zero.format_ci.as_list() == [0, 0]
    assert verdict(zero) == "no difference"

    assert (there.delta, there.fixed, there.broken) == (-back.delta, back.broken, back.fixed)
    assert there.p_value == back.p_value and there.mde == back.mde
    assert there.ci.as_list() == [-back.ci.high, -back.ci.low]
    assert there.skill_gain == pytest.approx(-back.skill_gain)
    assert (there.base.accuracy, there.new.accuracy) == (back.new.accuracy, back.base.accuracy)

    shuffled = [made(folder / "c" / name, text, order=seed) for name, text in zip("ab", texts, strict=True)]
    assert diff_runs(*shuffled) == there

    assert there.fixed + there.broken + there.both_right + there.both_wrong == there.n == len(texts[0])
    assert there.new.accuracy - there.base.accuracy == pytest.approx(there.delta)
    assert there.skill_gain + there.format_gain == pytest.approx(there.delta)


@settings(max_examples=15)
@given(st.lists(st.text("cw", min_size=12, max_size=12), min_size=4, max_size=4), st.integers(0, 9))
def test_laws_with_samples(tmp_path_factory: pytest.TempPathFactory, texts: list[str], seed: int) -> None:
    folder = tmp_path_factory.mktemp("laws")
    a, b = made(folder / "a", *texts[:2]), made(folder / "b", *texts[2:], order=seed)
    there, back, zero = diff_runs(a, b), diff_runs(b, a), diff_runs(a, a)
    assert zero.p_value == 1 and zero.ci.as_list() == [0, 0] and zero.mde == 0
    assert there.delta == pytest.approx(-back.delta) and there.p_value == pytest.approx(back.p_value)
    assert [m.name for m in there.metrics] == ["mean@2", "lenient mean@2", "pass@2", "maj@2"]
    by_question = [np.array([list(x) for x in pair]).T == "c" for pair in (texts[:2], texts[2:])]
    assert there.metrics[0].base.value == pytest.approx(by_question[0].mean())
    assert there.metrics[2].new.value == pytest.approx(by_question[1].any(axis=1).mean())
    # Of two samples that disagree either may win the vote.
    assert there.metrics[3].new.value == pytest.approx(by_question[1].mean())


def test_answers_that_mean_the_same_number_vote_together(tmp_path: Path) -> None:
    # Wrong twice, written in two ways, against right once.
    texts = {0: "\\boxed{1,000}", 1: "\\boxed{1000.0}", 2: "\\boxed{5}"}
    rows = [Row(id="q", question="?", gold="5"), Row(id="r", question="!", gold="7")]
    runs = [
        make_run(tmp_path / name, rows, lambda _, s: (texts[s], False), samples=3, lock=lock_of(rows, 3))
        for name in "ab"
    ]
    assert diff_runs(*runs).metrics[-1].name == "maj@3"
    assert diff_runs(*runs).metrics[-1].new.value == 0


def test_unscored_questions_are_left_out_and_counted(tmp_path: Path) -> None:
    diff = diff_of(tmp_path, "ccuw" * 5, "ccuc" * 5)
    assert (diff.n, diff.unscored, diff.fixed) == (15, 5, 5)
    assert "left out, unscored in one of the runs: 5" in render_diff(diff, "table")


def test_nothing_that_both_could_score(tmp_path: Path) -> None:
    why = "; why not: evalkit show b --outcome unscored$"  # the rows are the same
    with pytest.raises(UserError, match=f"no question could be scored in all of them: a, b{why}"):
        diff_of(tmp_path, "cc", "uu")


def test_runs_of_different_questions(tmp_path: Path) -> None:
    a, b = made(tmp_path / "a", "cw" * 10), made(tmp_path / "b", "cc" * 7)
    with pytest.raises(Mismatch, match="--common") as refused:
        diff_runs(a, b)
    assert refused.value.detail.splitlines() == ["questions in all of them: 14", "  a: 20", "  b: 14"]
    diff = diff_runs(a, b, common=True)
    assert (diff.n, diff.base.left_out, diff.new.left_out, diff.fixed, diff.marks) == (14, 6, 0, 7, ())
    assert "left out, not in both runs: 6 of base, 0 of new" in render_diff(diff, "table")


def test_no_common_question(tmp_path: Path) -> None:
    a, b = made(tmp_path / "a", "cw"), made(tmp_path / "b", "cw", first=50)
    with pytest.raises(UserError, match="no question is in all of them: a, b") as refused:
        diff_runs(a, b, common=True, allow_mismatch=True)
    assert refused.value.exit_code == 2


def test_rows_under_prompts_that_show_other_columns(tmp_path: Path) -> None:
    """An own prompt with a {placeholder} against one without: other rows, of which the message must speak."""
    rows = [row(n) for n in range(4)]
    shown = [replace(one, id=f"x{one.id[1:]}") for one in rows]
    a, b = (
        make_run(tmp_path / name, each, lambda row, _: (f"\\boxed{{{row.gold}}}", False))
        for name, each in (("a", rows), ("b", shown))
    )
    with pytest.raises(UserError, match=r"4 of their questions read alike, .* same \{placeholders\}"):
        diff_runs(a, b, allow_mismatch=True)


def test_unlike_runs_are_refused_with_each_key_and_both_values(tmp_path: Path) -> None:
    a, b = unlike(tmp_path)
    with pytest.raises(Mismatch, match="b cannot be compared with a: 4 keys differ") as refused:
        diff_runs(a, b)
    lines = refused.value.detail.splitlines()
    assert lines[0] == "a | b"
    assert "  reading.scorer.rule: boxed@3 | hash@1" in lines
    assert "  reading.system: None | You are helpful." in lines
    assert "  manifest.split: test | train" in lines
    assert refused.value.exit_code == 3


def test_an_older_scorer_is_refused_with_the_command_that_judges_anew(tmp_path: Path) -> None:
    rows = [row(i) for i in range(30)]

    def judged_by(version: int, name: str) -> Run:
        rule = "boxed@3" if version == SCORER_VERSION else "boxed@1"
        lock = lock_of(rows, scorer={"rule": rule, "version": version})
        return make_run(tmp_path / name, rows, lambda r, _: (ANSWER["c"] % r.gold, False), lock=lock)

    old, older, new = judged_by(1, "old"), judged_by(1, "older"), judged_by(SCORER_VERSION, "new")
    diff_runs(old, older)
    for base, other in ((old, new), (new, old)):
        with pytest.raises(Mismatch, match=rf"2 keys differ; .*: evalkit rescore {old.folder}; ") as refused:
            diff_runs(base, other)
        assert "reading.scorer.version: " in refused.value.detail and refused.value.exit_code == 3
    for runs in ((old, older, new), (new, old, older)):
        with pytest.raises(
            Mismatch, match=rf": evalkit rescore {old.folder} && evalkit rescore {older.folder}; "
        ):
            line_up(runs)
    diff_runs(rescore(old, rule=None, command=""), new)


def test_allowed_mismatch_marks_every_line(tmp_path: Path) -> None:
    diff = diff_runs(*unlike(tmp_path), allow_mismatch=True)
    assert diff.marks == ("mismatch", "overlap")
    for format in ("table", "markdown", "latex"):
        lines = render_diff(diff, format).splitlines()  # type: ignore[arg-type]
        measures = [line for line in lines if "strict" in line or "skill" in line or "tokens" in line]
        assert measures and all("mismatch, overlap" in line for line in measures)
    assert render_diff(diff, "csv").splitlines()[1].endswith("mismatch overlap")
    assert as_json(diff)["marks"] == ["mismatch", "overlap"]


def test_sampling_is_compared_but_for_the_seed(tmp_path: Path) -> None:
    rows = [row(i) for i in range(9)]
    base = lock_of(rows)
    a = made(tmp_path / "a", "c" * 9)
    seeded = {**base.budget, "seed": 7}
    lock = replace(base, budget=seeded)
    b = make_run(tmp_path / "b", rows, lambda r, _: ("1", False), lock=lock, sampling=seeded)
    assert diff_runs(a, b).n == 9
    longer = {**base.budget, "max_tokens": 1024}
    c = make_run(tmp_path / "c", rows, lambda r, _: ("1", False), sampling=longer)
    with pytest.raises(Mismatch) as refused:
        diff_runs(a, c)
    assert refused.value.detail.splitlines() == ["a | c", "  manifest.sampling.max_tokens: 512 | 1024"]


def test_an_edited_lock_is_refused(tmp_path: Path) -> None:
    a, b = made(tmp_path / "a", "cw"), made(tmp_path / "b", "cw")
    for run in (b, a):  # one of them first, then both in the same way
        path = run.folder / "prompt.lock.json"
        path.write_text(path.read_text().replace('"max_tokens": 512', '"max_tokens": 256'))
        with pytest.raises(Mismatch, match="was edited"):
            diff_runs(a, b)


def test_noise_floor_is_shown_beside_the_difference(tmp_path: Path) -> None:
    a = made(tmp_path / "a", "cw" * 50, noise={"n": 100, "flips": 4})
    diff = diff_runs(a, made(tmp_path / "b", "cc" * 50))
    assert diff.noise == NoiseFloor(n=100, flips=4)
    assert "noise floor: 4 of 100 answers flip" in render_diff(diff, "table")


@pytest.mark.parametrize(
    ("base", "new", "margin", "better", "met"),
    [
        ("c" * 60, "c" * 40 + "w" * 20, 0.0, False, False),
        ("c" * 60, "c" * 40 + "w" * 20, 15.0, False, False),
        ("c" * 60, "c" * 40 + "w" * 20, 30.0, False, True),
        ("c" * 60, "c" * 58 + "w" * 2, 0.0, False, True),
        ("w" * 60, "w" * 40 + "c" * 20, None, True, True),
        ("w" * 60, "w" * 58 + "c" * 2, None, True, False),
        ("w" * 60, "w" * 60, 0.0, True, False),
    ],
)
def test_gates(tmp_path: Path, base: str, new: str, margin: float | None, better: bool, met: bool) -> None:
    diff = diff_of(tmp_path, base, new)
    if met:
        check_gates(diff, fail_if_worse=margin, require_better=better)
    else:
        with pytest.raises(Failed, match=r"^gate: "):
            check_gates(diff, fail_if_worse=margin, require_better=better)


def test_interval_and_test_can_disagree_and_then_there_is_no_verdict(tmp_path: Path) -> None:
    diff = diff_of(tmp_path, "w" * 100, "c" * 5 + "w" * 95)
    assert diff.ci.low > 0 and diff.p_value > 0.05
    assert verdict(diff) == "undecided"
    with pytest.raises(Failed):
        check_gates(diff, fail_if_worse=None, require_better=True)


def rewrite(run: Run, change: Callable[[bytes], bytes]) -> None:
    path = run.folder / "records.jsonl"
    path.write_bytes(change(path.read_bytes()))


BROKEN: dict[str, Callable[[Run], None]] = {
    "torn": lambda run: rewrite(run, lambda text: text[:-20]),
    "cut": lambda run: rewrite(run, lambda text: b"".join(text.splitlines(keepends=True)[:-1])),
    "empty": lambda run: rewrite(run, lambda _: b""),
    "gone": lambda run: (run.folder / "records.jsonl").unlink(),
    "twice": lambda run: rewrite(run, lambda text: b"".join(text.splitlines(keepends=True)[:1] * 4)),
    "running": lambda run: edit(run, '"status": "complete"', '"status": "running"'),
    "newer": lambda run: edit(run, '"schema": 1', '"schema": 99'),
    "no lock": lambda run: (run.folder / "prompt.lock.json").unlink(),
}
SAID = {
    "torn": "line 4 cannot be read",
    "cut": "holds 3 records, its manifest says 4",
    "empty": "holds no record",
    "gone": "has no records.jsonl",
    "twice": "line 2 holds sample 0 of q00000 a second time, it stands there twice",
    "running": "is still being written; finish it first: evalkit score",
    "newer": "has schema 99, this evalkit reads up to 1",
    "no lock": "has no prompt.lock.json",
}


def edit(run: Run, old: str, new: str) -> None:
    path = run.folder / "manifest.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_run_is_one_clear_line(tmp_path: Path, how: str) -> None:
    a, b = made(tmp_path / "a", "cwlc"), made(tmp_path / "b", "cwcc")
    BROKEN[how](b)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json*")}
    done = evalkit("diff", a.folder, b.folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert SAID[how] in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json*")} == before


def test_a_gzipped_run_reads_the_same(tmp_path: Path) -> None:
    import gzip

    a, b = made(tmp_path / "a", "cwlc"), made(tmp_path / "b", "cwcc")
    plain = diff_runs(a, b)
    records = b.folder / "records.jsonl"
    (b.folder / "records.jsonl.gz").write_bytes(gzip.compress(records.read_bytes()))
    records.unlink()
    assert diff_runs(a, read_run(b.folder)) == plain


def test_command_line(tmp_path: Path) -> None:
    a, b = made(tmp_path / "a", "c" * 40 + "w" * 20), made(tmp_path / "b", "c" * 60)
    assert evalkit("diff", a.folder, b.folder, "--require-better", "--fail-if-worse").returncode == 0
    worse = evalkit("diff", b.folder, a.folder, "--fail-if-worse", "2.5")
    assert worse.returncode == 1
    assert worse.stderr.startswith("error: gate: a is worse than b by more than 2.5 points")
    assert worse.stdout.startswith("a is worse than b: -33.3 points")
    # Without a number the option may stand before the runs.
    assert evalkit("diff", "--fail-if-worse", b.folder, a.folder).returncode == 1
    for arguments, said in (
        ([a.folder], "two runs or more"),
        ([a.folder, a.folder], "the same run was given twice"),
        ([a.folder, b.folder, "-n", "0"], "shows nothing"),
        ([a.folder, b.folder, "--fail-if-worse", "-1"], "from 0 to 100"),
        ([a.folder, b.folder, "--fail-if-worse", "nan"], "from 0 to 100"),
    ):
        done = evalkit("diff", *arguments)
        assert (done.returncode, done.stdout) == (2, "") and said in done.stderr, done.stderr


def test_refusal_on_the_command_line(tmp_path: Path) -> None:
    a, b = unlike(tmp_path)
    refused = evalkit("diff", a.folder, b.folder)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "reading.scorer.rule: boxed@3 | hash@1" in refused.stderr
    allowed = evalkit("diff", a.folder, b.folder, "--allow-mismatch", "--format", "csv")
    assert allowed.returncode == 0 and allowed.stdout.endswith("mismatch overlap\n")


def test_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    a, b = made(tmp_path / "a", "cw"), made(tmp_path / "b", "cc")
    code = (
        f"import sys; sys.argv = ['evalkit', 'diff', {str(a.folder)!r}, {str(b.folder)!r}]\n"
        "from evalkit.cli.app import app\nimport evalkit.cli\n"
        "try: app()\nexcept SystemExit: pass\n"
        "print(sorted({'pandas', 'scipy', 'pyarrow', 'torch', 'transformers', 'vllm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_several_runs_are_read_once_and_compared_by_place(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, text) for name, text in (("a", "wwcc"), ("b", "cwcc"), ("c", "cccc"))]
    lined_up = line_up(runs)
    assert compare_pair(lined_up, 0, 2) == diff_runs(runs[0], runs[2])
    assert compare_pair(lined_up, 1, 2) == diff_runs(runs[1], runs[2])


def named(run: Run, model: str, template: str) -> Run:
    return Run(run.folder, run.manifest.changed(model=ModelFacts(name=model), template=template))


@pytest.mark.parametrize(
    ("base", "new", "called"),
    [
        (("demo:step_50", "t@1"), ("demo:step_100", "t@1"), ("step_50", "step_100")),
        (("Qwen/Qwen2.5-0.5B", "t@1"), ("demo:step_100", "t@1"), ("Qwen2.5-0.5B", "step_100")),
        (("one:step_50", "t@1"), ("two:step_50", "t@1"), ("one:step_50", "two:step_50")),
        (("Qwen/Qwen2.5-0.5B", "t@1"), ("Qwen/Qwen2.5-0.5B", "u@1"), ("t@1", "u@1")),
        (("Qwen/Qwen2.5-0.5B", "t@1"), ("Qwen/Qwen2.5-0.5B", "t@1"), ("a", "b")),
    ],
)
def test_what_runs_are_called(
    tmp_path: Path, base: tuple[str, str], new: tuple[str, str], called: tuple[str, str]
) -> None:
    runs = made(tmp_path / "a", "cw"), made(tmp_path / "b", "cw")
    diff = diff_runs(
        *(named(run, *how) for run, how in zip(runs, (base, new), strict=True)), allow_mismatch=True
    )
    assert names(diff) == called
