"""Which part of a completion may hold its answer.

Left out, for every rule of ours: thinking blocks (an unfinished one runs to the end, so that what
stands in it is no answer), a prompt that was echoed, and what follows the answer in a run-on into
a new turn or a new question.

Everything is found with `str.find`: fast, and linear whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from evalkit.extract.answer_span import holds_any

_THINKING = (
    *(
        (f"<{name}>", f"</{name}>")
        for name in ("think", "thinking", "thought", "reasoning", "reflection", "THINK")
    ),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
)
# The end of a turn, in the notation of the usual chat templates.
_TURNS = (
    "<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|end_of_text|>",
    "<|start|>", "<|return|>", "<|user|>", "<|start_header_id|>", "</s>", "<end_of_turn>", "<start_of_turn>",
    "<eos>", "[INST]",
)  # fmt: skip
# One of these stands in any text that has a thinking block or the end of a turn.
_STEMS = (
    "hink>", "hinking>", "hought>", "HINK", "hink▷", "easoning>", "eflection>", "|>", "</s>", "_of_turn>",
    "<eos>", "[INST]",
)  # fmt: skip
# For a quick look before those: a tag ends so; "<<3*4=12>>" is none.
_TAG_END = re.compile(r">(?<=[A-Za-z|]>)")
_QUESTIONS = (
    "Human", "User", "Q", "Question", "Problem", "Exercise", "Instruction", "QUESTION",
    "PROBLEM", "Frage", "Aufgabe", "Pregunta", "Domanda", "Pergunta",
)  # fmt: skip
# By the first letter, which a text without the word often lacks, too: a quick look first.
_BY_FIRST = tuple(
    (first, tuple(word for word in _QUESTIONS if word[0] == first))
    for first in dict.fromkeys(word[0] for word in _QUESTIONS)
)
_QUESTIONS_BEYOND_ASCII = ("问题", "题目", "題目", "問題", "问", "質問", "Вопрос", "Задача")
# Before such a word only marks of a heading may stand on its line, after it a number and a colon.
_BEFORE = re.compile(
    r"(?:\n|[.!?][ \t]{1,2})[ \t]{0,8}(?:#{1,6}[ \t]{0,4}|\*\*)?(?:(?:New|Next|Another|Math) )?$"
)
_AFTER = re.compile(r"[ \t]{0,4}[#№]?(?:\d{0,4}[ \t]{0,4}(?:\*\*)?[:：]|\d{1,4}(?:\*\*)?[ \t]{0,4}\n)")
_REPLY = re.compile(
    r"\s(?:\*\*|#{1,4} ?)?(?:Answer|A|Solution|Response|Reply|Assistant|解|答|答案|解答|Antwort)[:：]"
)
_LONGEST_BEFORE = 24
_MOST_TRIED = 64

# A sign that a segment works something out, rather than only telling what to do.
_WORKED = re.compile(
    r"=\s{0,3}\S{0,3}\d|#{3,9}\s{0,3}\S{0,3}\d|oxed\s?\{[^}\n]{0,60}\d|\d[^\n.。]{0,300}[.。]\s|nswer\W{1,9}\d"
    r"|nswer is\W{1,9}\d|(?:^|\n)\W{0,4}\d[\d.,]*[^\n]{0,20}\n"
    r"|\b(?:is|are|has|have|makes?|gets?|left|total)\b[^\n]{0,20}\d"
)


def region(text: str) -> tuple[int, int]:
    """Start and end of the part of the text in which an answer counts."""
    lo, hi = 0, len(text)
    tagged = (">" in text and _TAG_END.search(text) is not None) or "]" in text or "▷" in text
    if tagged and holds_any(text, _STEMS):
        lo, hi = _after_thinking(text, lo, hi)
        hi = _first_turn(text, lo, hi)
    if ":" in text or "：" in text or "\n" in text:
        lo, hi = _own_question(text, lo, hi)
    return lo, hi


def _after_thinking(text: str, lo: int, hi: int) -> tuple[int, int]:
    """After the last closed thinking block, before one that was never closed."""
    for _, closing in _THINKING:
        at = text.rfind(closing, lo)
        if at >= 0:
            lo = at + len(closing)
    for opening, _ in _THINKING:
        at = text.find(opening, lo, hi)
        if at >= 0:
            hi = at
    return lo, hi


def _first_turn(text: str, lo: int, hi: int) -> int:
    """The end of the first turn that says anything."""
    begin = lo
    while begin < hi and text[begin].isspace():
        begin += 1
    for token in _TURNS:
        at = text.find(token, begin, hi)
        if at == begin:
            at = text.find(token, begin + len(token), hi)
        if at >= 0:
            hi = at
    return hi


def _own_question(text: str, lo: int, hi: int) -> tuple[int, int]:
    """The part that answers the question asked.

    A text that starts with a question echoes its prompt, and the last question in it is the one
    asked (those before it are exemplars). Otherwise a question that follows is a run-on.
    """
    words = [word for first, some in _BY_FIRST if first in text for word in some if word in text]
    if not text.isascii():
        words += [word for word in _QUESTIONS_BEYOND_ASCII if word in text]
    if not words:
        return lo, hi
    first = min(
        (place for word in words if (place := next(_headings(text, word, lo, hi), None))), default=None
    )
    if first is None:
        return lo, hi
    if _WORKED.search(text, lo, first[0]):
        return lo, first[0]
    last = max(
        (place for word in words if (place := next(_headings(text, word, lo, hi, True), None))), default=first
    )
    return _after_question(text, last[1], hi), hi


def _after_question(text: str, lo: int, hi: int) -> int:
    """Where the reply to an echoed question begins: at "Answer:", else on the next line."""
    reply = _REPLY.search(text, lo, hi)
    if reply:
        return reply.start()
    line = text.find("\n", lo + len(text[lo : lo + 80]) - len(text[lo : lo + 80].lstrip()), hi)
    return hi if line < 0 else line


def _headings(text: str, word: str, lo: int, hi: int, backwards: bool = False) -> Iterator[tuple[int, int]]:
    """Where lines "Question 2:" begin and what they announce begins."""
    start, end = lo, hi
    for _ in range(_MOST_TRIED):
        at = text.rfind(word, lo, end) if backwards else text.find(word, start, hi)
        if at < 0:
            return
        after = _AFTER.match(text, at + len(word), hi)
        if after:
            before = _BEFORE.search(
                text[max(lo, at - _LONGEST_BEFORE) : at] if at - lo > _LONGEST_BEFORE else "\n" + text[lo:at]
            )
            if before:
                yield at - (before.end() - before.start()) + 1, after.end()
        start, end = at + len(word), at
