"""Where a model thinks and where it answers: the markers of thinking, and what a prompt leaves open.

The markers of model families, as their chat templates write them: `<think>` (R1, Qwen3, QwQ, Nemotron),
`<seed:think>` (Seed-OSS), `[THINK]` (Magistral), `<|START_THINKING|>` (Command A), `◁think▷` (Kimi-VL),
`<|begin_of_thought|>`, `<|inner_prefix|>` (Apertus), `<|open|>think<|sep|>` (Kimi K3), gpt-oss' channels,
Gemma 4's, and Apriel's words (`Here are my reasoning steps:` in the prompt). Matching is linear in the
length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

VERSION = 2
"""Goes up when a completion would be divided otherwise; part of the lock of models that think. Locks of
version 1 are read as before: there a special token that was spelled out counted as the token, `final` of
gpt-oss could be followed by other words, and what came before a block that stays open was an answer."""
UNFINISHED = "unfinished thinking"
"""The reason of `no_answer` where a block was never closed."""
OVER_BUDGET = "thinking over its budget"
"""The reason of `no_answer` where a block was closed, but after more tokens than the lock's budget."""
UNREAD = (UNFINISHED, OVER_BUDGET)

Markers = Sequence[tuple[int, str]]
"""Special tokens that a text was written with: where each stood (characters of the text), its text."""

_NAME = r"(?:think(?:ing)?|thoughts?|reasoning|reflection|analysis|scratchpad)"
_FINAL = {
    1: r"final\b[^<]{0,40}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>",
    2: r"(?-i:final)\s{0,4}(?:<\|constrain\|>\s{0,4}\w{1,20}\s{0,4})?<\|message\|>",
}
"""The head of gpt-oss' final channel, by version."""
_BEFORE_FINAL = (
    rf"<(?P<tag>/?(?:\w{{1,20}}:)?{_NAME})>"
    rf"|(?-i:\[(?P<bracket>/?THINK(?:ING)?)\])"
    rf"|◁(?P<triangle>/?{_NAME})▷"
    rf"|<\|(?P<edge>start|end|begin_of|end_of|start_of)_(?P<edged>{_NAME})\|>"
    rf"|<\|(?P<bar>/?{_NAME})\|>"
    r"|<\|inner_(?P<inner>prefix|suffix)\|>"
    rf"|<\|(?P<side>open|close)\|>{_NAME}<\|sep\|>"
    r"|(?P<gemma><\|channel>\s{0,4}thought|<channel\|>)"
    r"|(?-i:(?P<steps>\AHere are my reasoning steps:|\[BEGIN FINAL RESPONSE\]))"
)
_MARKS = {
    version: re.compile(rf"{_BEFORE_FINAL}|<\|channel\|>(?P<final>\s{{0,4}}{final})?", re.IGNORECASE)
    for version, final in _FINAL.items()
}
_SPELLED = re.compile(r"<\|\w{1,40}\|>|<\|channel>|<channel\|>")
"""What looks like a special token of a family that marks thinking by them."""
_STEMS = (
    *(
        "hink",
        "HINK",
        "hought",
        "HOUGHT",
        "easoning",
        "EASONING",
        "eflection",
        "EFLECTION",
        "nalysis",
        "NALYSIS",
    ),
    *("cratchpad", "CRATCHPAD", "<|channel", "<channel|", "<|inner_", "reasoning steps:", "FINAL RESPONSE]"),
)
"""One of these stands in any text that has a marker."""
_TOKEN = re.compile(
    rf"</?(?:\w{{1,20}}:)?{_NAME}>|\[/?THINK(?:ING)?\]|<\|\w{{0,10}}_?{_NAME}\|>|◁/?{_NAME}▷"
    r"|<\|inner_(?:prefix|suffix)\|>|<\|channel\|?>|<channel\|>|<\|open\|>",
    re.IGNORECASE,
)
"""A special token that only models which think have."""
_FAMILY = re.compile(
    r"Valid channels: analysis|<\|channel\|>|\[THINK\]|<\|START_(?:THINKING|RESPONSE)\|>|<seed:bos>"
    r"|<\|channel>|<\|inner_prefix\|>|<\|open\|>message"
)
"""What stands in the prompts of models that mark their thinking by special tokens."""
_STEPS = re.compile(r"Here are my reasoning steps:\s*\Z")
"""How Apriel's prompt ends; in a completion these words are words."""
_ANSWER_BEGINS = re.compile(r"\s*(?:<\|START_RESPONSE\|>|<\|open\|>response<\|sep\|>)")
_ANSWER_ENDS = re.compile(
    r"<\|END_RESPONSE\|>|<\|close\|>response<\|sep\|>|<\|(?:return|end|start|call|end_of_msg)\|>"
)


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a completion divides: its final answer is `text[start:end]`.

    `unfinished` says that a block was never closed; what stands in it is no answer. `closed`
    is where the last closed block ends in the text with its markers, 0 where none was closed.
    """

    start: int
    end: int
    unfinished: bool
    closed: int


@dataclass(frozen=True)
class _Block:
    """A block that is open: what it is closed by, where it began, and how it was opened."""

    kind: str
    begin: int
    opening: str


def divide(
    text: str, markers: Markers = (), opens: str = "", special: Sequence[str] = (), version: int = VERSION
) -> Thinking:
    """Divide a completion. `opens` is what its prompt left open: the block then began before the text.

    A block is closed only by its own closing marker: `</reflection>` does not close `<think>`. A
    closing marker without any opening one ends a block that began at the start. Of `special` only the
    tokens in `markers` count, not their spelling in the text, which any model can write at any time.
    """
    marked, offsets = _with_markers(text, markers, opens, special)
    start, closed = 0, 0
    open_blocks: list[_Block] = []
    if _has_stem(marked):
        start, open_blocks = _scan(marked, version, len(opens))
        closed = max(0, start - len(opens))
    end = open_blocks[0].begin if open_blocks else len(marked)
    if start and (begins := _ANSWER_BEGINS.match(marked, start, end)):
        start = begins.end()
    if markers and (ends := _ANSWER_ENDS.search(marked, start, end)):
        end = ends.start()
    return Thinking(_plain(start, offsets), _plain(max(start, end), offsets), bool(open_blocks), closed)


def _has_stem(text: str) -> bool:
    for stem in _STEMS:  # noqa: SIM110 (a generator takes twice the time)
        if stem in text:
            return True
    return False


def divide_by(entry: Mapping[str, Any] | None, text: str, markers: Markers | None) -> Thinking:
    """Divide a completion as a lock says: `entry` is `thinking` of its `reading`, None where it has none.

    `markers` are the special tokens that the text was decoded with, None where they are not known: then
    a spelled marker may be a token of a text that was stored with them, and counts.
    """
    known = entry or {}
    version = min(int(known.get("version", VERSION)), VERSION)
    special = known.get("special") or () if markers is not None and version > 1 else ()
    part = divide(text, markers or (), str(known.get("opens") or ""), special, version)
    if entry and part.unfinished and version > 1:
        return replace(part, end=part.start)
    return part


def opened_by(tail: str, whole_lines: bool = False) -> str:
    """What the end of a prompt leaves open, "" where nothing: the opening markers without their closing ones.

    With `whole_lines` (a prompt of plain text, which may speak of `<think>` tags) only a marker at the
    end of a line counts.
    """
    if steps := _STEPS.search(tail):
        return steps[0].strip()
    _, blocks = _scan(tail)
    if whole_lines:
        ends = [tail[block.begin + len(block.opening) :][:1] for block in blocks]
        blocks = [block for block, end in zip(blocks, ends, strict=True) if end in ("", "\n")]
    return "".join(block.opening for block in blocks)


def thinking_specials(specials: Iterable[str]) -> list[str]:
    """The special tokens among `specials` that mark thinking: a text decoded without them lost its marks."""
    return sorted(token for token in specials if _TOKEN.fullmatch(token))


def looks_special(prompt: str) -> bool:
    """Whether a prompt is of a model family that marks its thinking by special tokens."""
    return bool(_FAMILY.search(prompt))


def version_of(reading: Mapping[str, Any]) -> int:
    """The version by which a lock's `reading` divides completions; the present one where it says none."""
    return int((reading.get("thinking") or {}).get("version", VERSION))


def needs_markers(reading: Mapping[str, Any]) -> bool:
    """Whether a lock's `reading` says that completions are decoded with their markers."""
    return bool((reading.get("thinking") or {}).get("special"))


def _scan(marked: str, version: int = VERSION, prompt: int = 0) -> tuple[int, list[_Block]]:
    """Where the last closed block ends (0: none was), and the blocks that stay open, outermost first.

    The first `prompt` characters are the prompt's: Apriel's words open a block only there.
    """
    after = 0
    blocks: list[_Block] = []
    for found in _MARKS[version].finditer(marked):
        kind, closes = _kind(found)
        held = [block.kind for block in blocks]
        if not closes:
            if kind not in held and (kind != "steps" or found.start() < prompt):
                blocks.append(_Block(kind, found.start(), found[0]))
        elif kind in held:
            del blocks[held.index(kind) :]
            if not blocks:
                after = found.end()
        elif not blocks:
            after = found.end()
    return after, blocks


def _kind(found: re.Match[str]) -> tuple[str, bool]:
    """Which markers belong together, and whether this one closes."""
    groups = found.groupdict()
    for form in ("tag", "bracket", "triangle", "bar"):
        if (name := groups[form]) is not None:
            return f"{form} {name.lstrip('/').lower()}", name.startswith("/")
    if edge := groups["edge"]:
        return f"edge {groups['edged'].lower()}", edge.lower().startswith("end")
    if inner := groups["inner"]:
        return "inner", inner.lower() == "suffix"
    if side := groups["side"]:
        return "side", side.lower() == "close"
    if steps := groups["steps"]:
        return "steps", steps.startswith("[")
    if gemma := groups["gemma"]:
        return "gemma", gemma.startswith("<c")
    return "channel", groups["final"] is not None


def _with_markers(
    text: str, markers: Markers, opens: str, special: Sequence[str]
) -> tuple[str, list[tuple[int, int]]]:
    """The text behind what the prompt opened, with its markers put back; and which spans were put in.

    Where there are `special` tokens what only spells one is blanked, at its length.
    """
    if special:
        spelled = re.compile("|".join([*map(re.escape, special), _SPELLED.pattern]))
        text = spelled.sub(lambda found: "\0" * len(found[0]), text)
    parts, spans, length = [opens], [(0, len(opens))], len(opens)
    places = [0, *(offset for offset, _ in markers), len(text)]
    tokens = [*(token for _, token in markers), ""]
    for (begin, end), token in zip(pairwise(places), tokens, strict=True):
        parts += (text[begin:end], token)
        length += end - begin
        spans.append((length, length + len(token)))
        length += len(token)
    return "".join(parts), spans


def _plain(place: int, spans: list[tuple[int, int]]) -> int:
    """The place in the text without the markers."""
    return place - sum(min(end, place) - begin for begin, end in spans if begin < place)
