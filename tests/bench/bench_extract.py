"""How well and how fast answers are read, next to other tools in the same process.

    make bench                                       (all benches)
    python -m pytest -s tests/bench/bench_extract.py       (this one)
    BENCH_BESIDE=CHECKOUT python -m pytest -s tests/bench/bench_extract.py -k beside_another

Needs the labelled outputs (see tests/helpers/extraction_corpus.py); Math-Verify is part of the CPU stack's
development pins. Prints tables, asserts no absolute time.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import extraction_corpus as corpus
import gold_corpus
import pytest
from places import ROOT

from evalkit.extract.reading import extract
from evalkit.text import render_grid

needs_corpus = pytest.mark.skipif(not corpus.PRESENT, reason=corpus.MISSING)
RULES = ("hash", "boxed", "answer-is", "json", "last-number", "math", "choice", "lenient")
# Reads the rows, then names of rules, and answers each with the seconds that one pass takes.
TIMED = """
import json, sys, time
try:
    from evalkit.extract.reading import extract
    from evalkit.grade.grade import grade
except ImportError:  # of before there were evalkit.grade and evalkit.extract.reading
    from evalkit.extract import extract
    from evalkit.score import score as grade
rows = json.loads(sys.stdin.readline())
for line in sys.stdin:
    rule = line.strip()
    start = time.process_time()
    for text, gold in rows:
        grade(extract(text, rule), gold)
    print(time.process_time() - start, flush=True)
"""
FILLER = "Janet sells 16 - 3 - 4 = 9 duck eggs a day and makes 9 * 2 dollars every day at the market. " * 6


def tutorial(text: str, gold: str) -> bool:
    """The rule of the tutorial: the first "#### N", commas removed, equal as text."""
    match = re.search(r"#### (\-?[0-9\.\,]+)", text)
    return match is not None and match[1].replace(",", "") == gold


def math_verify() -> corpus.Judge:
    package = pytest.importorskip("math_verify", reason="pip install 'math-verify[antlr4_9_3]==0.9.0'")

    def judge(text: str, gold: str) -> bool:
        try:
            return bool(package.verify(package.parse(f"${gold}$"), package.parse(text)))
        except Exception:
            return False

    return judge


@needs_corpus
def test_accuracy() -> None:
    everything = corpus.rows()
    judges: dict[str, corpus.Judge] = {
        "lenient": corpus.judge_by("lenient"),
        "lenient@1": corpus.judge_by("lenient@1"),
        "tutorial's #### rule": tutorial,
        **{name: corpus.judge_by(name) for name in ("verl-gsm8k-strict", "verl-gsm8k-flexible")},
        **{name: corpus.judge_by(name) for name in ("lm-eval-strict", "lm-eval-flexible")},
        "Math-Verify": math_verify(),
    }
    lines = []
    for name, judge in judges.items():
        start = time.process_time()
        figures = corpus.measure(judge, everything)
        speed = len(everything) / (time.process_time() - start)
        lines.append([name, *_cells(figures), _edges(judge), f"{speed:,.0f}"])
    for half in ("develop", "check"):
        figures = corpus.measure(corpus.judge_by("lenient"), corpus.rows(half))
        lines.append([f"lenient, {half} half", *_cells(figures), "", ""])
    header = (
        "rule",
        "right marked wrong %",
        "wrong marked right %",
        "wrong gold accepted %",
        "edge right",
        "answers/s",
    )
    print("\n" + render_grid(header, lines, "table"))


def _cells(figures: corpus.Figures) -> list[str]:
    return [
        f"{value:.2f}"
        for value in (figures.right_marked_wrong, figures.wrong_marked_right, figures.wrong_gold_accepted)
    ]


def _edges(judge: corpus.Judge) -> str:
    """Right of all edge cases; the long ones are left out where the tool is too slow for them."""
    cases = corpus.edges(debatable=True)
    return f"{sum(corpus.edge_holds(judge, case) for case in cases)} of {len(cases)}"


@pytest.mark.skipif(not gold_corpus.PRESENT, reason=gold_corpus.MISSING)
def test_formulas() -> None:
    """Golds in a box, other ways to write them, answers beside them; every fifth, for Math-Verify's sake."""
    some = gold_corpus.golds()[::5]
    cases = [case for case in gold_corpus.peer_cases() if case["rule"] == "math"]
    texts = [(FILLER + gold_corpus.boxed(row["gold"]), row["gold"]) for row in some]
    texts += [(case["text"], case["gold"]) for case in cases]
    judges = {name: corpus.judge_by(name) for name in ("math", "math@1")} | {"Math-Verify": math_verify()}
    lines, speeds = [], {}
    for name, judge in judges.items():
        figures = gold_corpus.measure(judge, some)
        shares = (figures.identical, figures.rewritten, figures.neighbours, figures.bare)
        right = sum(judge(case["text"], case["gold"]) == (case["want"] == "correct") for case in cases)
        speeds[name] = _speed(judge, texts)
        cells = [f"{share:.2f}" for share in shares]
        lines.append([name, *cells, f"{right} of {len(cases)}", f"{speeds[name]:,.0f}"])
    for line in lines:
        line.append(f"{speeds[line[0]] / speeds['Math-Verify']:.0f}")
    header = ("rule", "itself wrong %", "rewritten wrong %", "neighbour right %", "bare side right %")
    print("\n" + render_grid((*header, "peers' cases", "answers/s", "ratio"), lines, "table"))


@pytest.mark.skipif(not gold_corpus.PRESENT, reason=gold_corpus.MISSING)
def test_choices() -> None:
    """The peers' cases and our own, alone and after some hundred characters."""
    cases = [case for case in gold_corpus.peer_cases() if case["rule"] == "choice"]
    own = [case for _, case in corpus.own_cases() if case["rule"] == "choice"]
    peers = [(case["text"], case.get("gold") or "A", case["want"] == "correct") for case in cases]
    ours = [(case["text"], case["gold"], case["outcome"] == "correct") for case in own]
    texts = [(before + text, gold) for before in ("", FILLER) for text, gold, _ in peers]
    judges = {name: corpus.judge_by(name) for name in ("choice", "choice@1")}
    judges |= {"Math-Verify": math_verify(), "Math-Verify, letters alone": math_verify_letters()}
    lines, speeds = [], {}
    for name, judge in judges.items():
        counts = [sum(judge(text, gold) == right for text, gold, right in some) for some in (peers, ours)]
        speeds[name] = _speed(judge, texts)
        lines.append(
            [name, f"{counts[0]} of {len(peers)}", f"{counts[1]} of {len(ours)}", f"{speeds[name]:,.0f}"]
        )
    for line in lines:
        line.append(f"{speeds[line[0]] / speeds['Math-Verify']:.0f}")
    header = ("rule", "peers' cases", "own cases", "answers/s", "ratio")
    print("\n" + render_grid(header, lines, "table"))


@needs_corpus
def test_speed_beside_math_verify() -> None:
    """Every rule of ours on one labelled output in eight, extraction and scoring together."""
    texts = [(row["text"], row["gold"]) for row in corpus.rows()[::8]]
    speeds = {rule: _speed(corpus.judge_by(rule), texts) for rule in RULES}
    slow = _speed(math_verify(), texts)
    lines = [[rule, f"{speed:,.0f}", f"{speed / slow:.0f}"] for rule, speed in speeds.items()]
    print(
        "\n"
        + render_grid(("rule", "answers/s", "ratio"), [*lines, ["Math-Verify", f"{slow:,.0f}", "1"]], "table")
    )


@needs_corpus
@pytest.mark.skipif("BENCH_BESIDE" not in os.environ, reason="BENCH_BESIDE names no other checkout")
def test_speed_beside_another_version() -> None:
    """Two checkouts in turns, each in a process of its own: the least processor time of every rule."""
    every, turns = int(os.environ.get("BENCH_EVERY", "8")), int(os.environ.get("BENCH_TURNS", "25"))
    texts = [(row["text"], row["gold"]) for row in corpus.rows()[::every]]
    sides = [_timed_in(code, texts) for code in (ROOT, Path(os.environ["BENCH_BESIDE"]).resolve())]
    lines = []
    for rule in os.environ.get("BENCH_RULES", ",".join(RULES)).split(","):
        # A turn of both before the first that counts: patterns are compiled, golds are read.
        times = [[_turn(side, rule) for side in sides] for _ in range(turns + 1)][1:]
        this, other = (1e6 * min(column) / len(texts) for column in zip(*times, strict=True))
        lines.append([rule, f"{this:.1f}", f"{other:.1f}", f"{this / other:.2f}"])
    for side in sides:
        side.communicate()
    print("\n" + render_grid(("rule", "us an answer", "the other", "ratio"), lines, "table"))


def _timed_in(code: Path, texts: list[tuple[str, str]]) -> subprocess.Popen[str]:
    """A process that runs a checkout's code and holds the texts."""
    environment = {**os.environ, "PYTHONPATH": str(code)}
    command = [sys.executable, "-c", TIMED]
    pipe = subprocess.PIPE
    side = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=code, env=environment)
    assert side.stdin is not None
    side.stdin.write(json.dumps(texts) + "\n")
    return side


def _turn(side: subprocess.Popen[str], rule: str) -> float:
    assert side.stdin is not None and side.stdout is not None
    side.stdin.write(rule + "\n")
    side.stdin.flush()
    return float(side.stdout.readline())


def math_verify_letters() -> corpus.Judge:
    package = pytest.importorskip("math_verify", reason="pip install 'math-verify[antlr4_9_3]==0.9.0'")
    letters = [package.StringExtractionConfig(strings=tuple("ABCDEFGHIJ"))]

    def judge(text: str, gold: str) -> bool:
        found = package.parse(text, extraction_config=letters)
        return bool(package.verify(package.parse(gold, extraction_config=letters), found))

    return judge


def _speed(judge: corpus.Judge, texts: list[tuple[str, str]]) -> float:
    """Answers a second of processor time: the best of three rounds."""

    def once() -> float:
        start = time.process_time()
        for text, gold in texts:
            judge(text, gold)
        return len(texts) / (time.process_time() - start)

    return max(once() for _ in range(3))


def test_speed() -> None:
    texts = {
        "hash": FILLER[:490] + "\n#### 18",
        "boxed": FILLER[:486] + "\\boxed{18}.",
        "answer-is": FILLER[:482] + "The answer is 18.",
        "last-number": FILLER[:496] + " 18.",
        "lenient": FILLER[:482] + "The answer is 18.",
    }
    lines = [
        [rule, f"{1 / _seconds(lambda r=rule, t=text: extract(t, r)):,.0f}"] for rule, text in texts.items()
    ]
    if corpus.PRESENT:
        outputs = [row["text"] for row in corpus.rows()]
        each = _seconds(lambda: [extract(text, "lenient") for text in outputs], 1) / len(outputs)
        lines.append(["lenient over the corpus", f"{1 / each:,.0f}"])
    print("\n" + render_grid(("rule, 500 characters", "answers/s on one core"), lines, "table"))


def test_time_grows_linearly() -> None:
    lines = []
    for piece in corpus.HOSTILE:
        times = []
        for size in (10_000, 100_000, 1_000_000, 10_000_000):
            text = piece * (size // len(piece)) + "18"
            times.append(_seconds(lambda t=text: extract(t, "lenient"), 1) * 1000)
        lines.append([ascii(piece), *(f"{value:.2f}" for value in times), f"{times[3] / times[2]:.1f}"])
    worst = ["worst", *(f"{max(float(line[i]) for line in lines):.2f}" for i in range(1, 5)), ""]
    header = ("repeated", "10 kB ms", "100 kB ms", "1 MB ms", "10 MB ms", "10 MB / 1 MB")
    print("\n" + render_grid(header, [*lines, worst], "table"))


def _seconds(call: Callable[[], object], repeat: int = 2000) -> float:
    """Processor seconds of one call: the least of five rounds, each of `repeat` calls."""

    def once() -> float:
        start = time.process_time()
        for _ in range(repeat):
            call()
        return (time.process_time() - start) / repeat

    return min(once() for _ in range(5))
