"""Golds of mathematics and peers' own test cases: how an answer may be written, and what is next to it.

Read from EVALKIT_EXTRACTION, else from ../shared/extraction beside the repository.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from extraction_corpus import FOLDER

GOLDS = FOLDER / "math_golds.jsonl.gz"
PEERS = FOLDER / "peer_cases.jsonl"
PRESENT = GOLDS.exists() and PEERS.exists()
MISSING = f"no golds in {FOLDER}: set EVALKIT_EXTRACTION to a folder with {GOLDS.name} and {PEERS.name}"

# Whether a text's answer counts as a gold.
Judge = Callable[[str, str], bool]

_SWAPPED = re.compile(r"\(([^(),]*),([^(),]*)\)")
_NAME = re.compile(
    r"[A-Za-z](?:_\{?\w+\}?)?(?:\^\{-1\})?|[a-zA-Z]+(?:\^\{-1\})?\s*\([\w, ]*\)|\\[a-z]+(?:\{\w+\})?"
)
_EQUATION = re.compile(r"\s*([^=<>]*[^=<>!\\\s])\s*=\s*([^=<>]*[^=<>\s])\s*")
_RELATIONS = (
    (r"\leqslant", "<"), (r"\leq", "<"), (r"\le ", "<"), (r"\geq", ">"), (r"\ge ", ">"),
    ("<", r"\le "), (">", r"\ge "),
)  # fmt: skip
# Golds that are identities: their right side is the answer.
_IDENTITY = re.compile(r"\\frac\{1\}\{3\} x|\\sin \\arctan")
_UNKNOWN = re.compile(r"(?<![a-z\\])[xyzt](?![a-z])")


@dataclass
class Figures:
    """Shares in per cent: golds that are not taken for themselves, and neighbours that are taken for them."""

    identical: float
    rewritten: float
    neighbours: float
    bare: float
    wrong: list[str] = field(default_factory=list)


def golds() -> list[dict[str, str]]:
    """One line a gold: `set` and `gold`."""
    with gzip.open(GOLDS, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def peer_cases() -> list[dict[str, Any]]:
    """Cases of other tools' test suites: `text`, `gold`, `rule`, `want`."""
    return [json.loads(line) for line in PEERS.read_text(encoding="utf-8").splitlines()]


def boxed(answer: str) -> str:
    return f"Therefore the answer is $\\boxed{{{answer}}}$."


def rewritten(gold: str) -> Iterator[str]:
    """Other ways to write a gold."""
    if gold.count("(") == gold.count(")") and r"\left" not in gold and r"\text" not in gold:
        yield gold.replace("(", r"\left(").replace(")", r"\right)")
    yield gold.replace(r"\frac", r"\dfrac")
    yield re.sub(r"(?<!\\left)([(\[])", r" \1", gold)
    yield re.sub(r"(?<![\\{^])([-+=])", r" \1 ", gold)
    if not re.search(r"text|mbox|mathrm|begin", gold):
        yield re.sub(r"(?<=\d)\s*(?=\\sqrt|\\pi|[a-z](?![a-z]))", r" \\cdot ", gold)


def neighbours(gold: str) -> Iterator[str]:
    """Answers next to a gold: a digit, a sign, a relation, a bracket, a pair the other way round."""
    if digits := list(re.finditer(r"\d", gold)):
        at = digits[-1].start()
        yield gold[:at] + str((int(gold[at]) + 1) % 10) + gold[at + 1 :]
    sign = re.search(r"(?<=[\w})])\s*([-+])\s*(?=[\w\\(])", gold)
    if sign and r"\pm" not in gold:
        yield gold[: sign.start(1)] + ("+" if sign[1] == "-" else "-") + gold[sign.end(1) :]
    for relation, other in _RELATIONS:
        if relation in gold:
            yield gold.replace(relation, other, 1)
            break
    if re.search(r"[(\[].*,.*[)\]]", gold) and not re.search(r"sqrt\s?\[", gold):
        at = min(i for i in (gold.find("("), gold.find("[")) if i >= 0)
        yield gold[:at] + ("[" if gold[at] == "(" else "(") + gold[at + 1 :]
    pair = _SWAPPED.fullmatch(gold)
    if pair and pair[1].strip() != pair[2].strip():
        yield f"({pair[2]},{pair[1]})"


def unfounded(gold: str) -> Iterator[str]:
    """What a policy might try for an equation: its bare sides; for a value that is told, the question."""
    match = _EQUATION.fullmatch(gold)
    if match is None or re.search(r"text|approx|neq", gold):
        return
    left, right = match[1], match[2]
    if _NAME.fullmatch(left) and re.fullmatch(r"-?[\d./]+|-?\\frac\{\d+\}\{\d+\}", right):
        yield f"2{left}=2({right})"
        yield f"{left}-({right})=0"
        return
    curve = not _NAME.fullmatch(left.split("(")[0]) and not _NAME.fullmatch(right)
    if curve and _UNKNOWN.search(left) and not _IDENTITY.search(left):
        yield right


def measure(judge: Judge, some: list[dict[str, str]]) -> Figures:
    """What a judge gets wrong on golds in a box."""
    counts = {"identical": [0, 0], "rewritten": [0, 0], "neighbours": [0, 0], "bare": [0, 0]}
    wrong = []

    def note(kind: str, answer: str, gold: str, right: bool) -> None:
        counts[kind][0] += 1
        if judge(boxed(answer), gold) != right:
            counts[kind][1] += 1
            wrong.append(f"{kind}: {gold} | {answer}")

    for row in some:
        gold = row["gold"]
        note("identical", gold, gold, True)
        for answer in rewritten(gold):
            note("rewritten", answer, gold, True)
        for answer in neighbours(gold):
            note("neighbours", answer, gold, False)
        for answer in unfounded(gold):
            note("bare", answer, gold, False)
    shares = {kind: 100 * bad / max(count, 1) for kind, (count, bad) in counts.items()}
    return Figures(**shares, wrong=wrong)


def peer_right(case: dict[str, Any], outcome: str) -> bool:
    """Whether an outcome is the one that a peer's case wants."""
    wanted = {"correct": outcome == "correct", "not correct": outcome != "correct"}
    return wanted.get(case["want"], outcome == "no_answer")
