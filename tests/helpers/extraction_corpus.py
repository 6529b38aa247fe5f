"""The labelled corpus of real outputs, and what a rule gets wrong on it.

Read from EVALKIT_EXTRACTION, else from ../shared/extraction beside the repository.
"""

from __future__ import annotations

import gzip
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from places import ROOT

from evalkit.extract.reading import extract
from evalkit.extract.rules import RULES
from evalkit.grade.grade import grade
from evalkit.records import Extraction

OWN = ROOT / "tests/corpora/extraction"
FOLDER = Path(os.environ.get("EVALKIT_EXTRACTION") or ROOT / "../shared/extraction").resolve()
MISSING = f"no labelled outputs in {FOLDER}: set EVALKIT_EXTRACTION to a folder with public.jsonl.gz"
PRESENT = (FOLDER / "public.jsonl.gz").exists()

HOSTILE = (
    "So we have x = 3 and y = 4. ", "1", "1,", "1 000 ", "{", "\\boxed{", "\\boxed{}", "\\boxed{a} ",
    "#### ", "####\n", "the answer is ", "the answer is 1\n", "<think>", "<think></think>",
    "\nQuestion: ", "<|im_end|>", '"answer": ', '"answer": "', "</answer>", " ", "\n", "\\frac{1}{", "(",
    "= ", "$", ". ", "|1|\n", "```output\n", "答案是", "2^", "1:", "½", "1/2 ", "<", "1e", " x 10^", "if ",
    "((((", "\\frac{\\frac{", "A) ", "(A)(B)", "B, ", "x = ", "7 or ", "letters and words ",
    "\\sum_{", "\\int ", "\\phantom{", "_{(", "Answer: A or ", "option B ", "不选A", "not A ",
    "5, no ", "5? ", "5 or ", "不", "I doubt it is 5. ", "not \\boxed{5} ", "apples ", "5 apples, wait, ",
)  # fmt: skip
"""Pieces that, repeated, would find time that grows faster than the text."""

# Whether a text's answer counts as a gold.
Judge = Callable[[str, str], bool]


@dataclass(frozen=True)
class Figures:
    """Shares in per cent of the rows that could be marked so."""

    right_marked_wrong: float
    wrong_marked_right: float
    wrong_gold_accepted: float


def read_all(text: str) -> list[Extraction]:
    """Every rule's reading of a text."""
    return [extract(text, rule) for rule in RULES]


def judge_by(rule: str) -> Judge:
    return lambda text, gold: grade(extract(text, rule), gold).outcome == "correct"


def rows(half: str = "") -> list[dict[str, Any]]:
    """The rows that are not debatable: all, or one of two halves ("develop", "check") drawn by the id."""
    with gzip.open(FOLDER / "public.jsonl.gz", "rt", encoding="utf-8") as file:
        everything = [row for line in file if not (row := json.loads(line))["debatable"]]
    if not half:
        return everything
    return [row for row in everything if (zlib.crc32(row["id"].encode()) % 2 == 1) == (half == "develop")]


def measure(judge: Judge, some: list[dict[str, Any]]) -> Figures:
    wrong, count = {"right": 0, "wrong": 0, "gold": 0}, {"right": 0, "wrong": 0, "gold": 0}
    for row in some:
        kind = "gold" if row["style"].startswith("derived gold") else "right" if row["label"] else "wrong"
        count[kind] += 1
        wrong[kind] += judge(row["text"], row["gold"]) != (kind == "right")
    shares = {kind: 100 * wrong[kind] / count[kind] for kind in count}
    return Figures(shares["right"], shares["wrong"], shares["gold"])


def edges(debatable: bool) -> list[dict[str, Any]]:
    cases = map(json.loads, (FOLDER / "edge_public.jsonl").read_text(encoding="utf-8").splitlines())
    return [case for case in cases if debatable or not case["debatable"]]


def edge_text(case: dict[str, Any]) -> str:
    if case["text"] is not None:
        return str(case["text"])
    return "".join(piece * count for piece, count in case["text_gen"])


def edge_holds(judge: Judge, case: dict[str, Any]) -> bool:
    """Every gold of `accept` counts, none of `reject` does, and all of it within `max_ms` of processor time.

    The least of three counts: the first may import what formulas need, and a busy machine takes its time.
    """
    text = edge_text(case)
    for _ in range(3):
        start = time.thread_time()
        right = all(judge(text, gold) for gold in case["accept"]) and not any(
            judge(text, gold) for gold in case["reject"]
        )
        if not right or (time.thread_time() - start) * 1000 <= case["max_ms"]:
            return right
    return False


def own_cases(*paths: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The corpus of this repository, or some files of it: each case named by file and line."""
    for path in paths or sorted(OWN.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{path.stem}:{number}", json.loads(line)
