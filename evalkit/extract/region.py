"""Which part of a completion may hold its answer.

Left out, for every rule of ours: thinking blocks (an unfinished one runs to the end, so that what
stands in it is no answer), a prompt that was echoed, and what follows the answer in a run-on into
a new turn or a new question.
"""

from __future__ import annotations

import re

_THINKING = re.compile(
    r"<(?P<close>/?)(?:think|thinking|thought|reasoning|reflection|scratchpad)>"
    r"|<\|(?:begin|(?P<end>end))_of_thought\|>|\[(?P<shut>/?)THINK\]|◁(?P<stop>/?)think▷",
    re.IGNORECASE,
)
# The end of a turn, in the notation of the usual chat templates.
_TURN = re.compile(
    r"<\|(?:im_end|im_start|endoftext|eot_id|end|end_of_text|eom_id|user|start_header_id)\|>"
    r"|</s>|<end_of_turn>|<start_of_turn>|<eos>|\[INST\]"
)
_QUESTION = re.compile(
    r"\n[ \t]*(?:#{1,4}[ \t]*|\*\*)?"
    r"(?:Human|User|Q|(?:New |Next |Another )?(?:Question|Problem|Exercise|Task)|Instruction|Input"
    r"|问题|題目|题目|問題|问|Frage|Aufgabe|Pregunta|Problema|Вопрос|Задача)"
    r"[ \t]*#?\d{0,4}[ \t]*(?:\*\*)?[:：](?:\*\*)?",
)
# A sign that a segment answers something, rather than only telling what to do.
_WORKED = re.compile(r"=\s*\S{0,3}\d|#{3,}\s*\S{0,3}\d|boxed\s*\{[^}]*\d|\d[^\n]*[.。]\s", re.IGNORECASE)
_BLANK = re.compile(r"\s*")


def region(text: str) -> tuple[int, int]:
    """Start and end of the part of the text in which an answer counts."""
    lo, hi = _after_thinking(text)
    if "<" in text or "[INST]" in text:
        hi = _first_turn(text, lo, hi)
    if "\n" in text or ":" in text or "：" in text:
        lo, hi = _own_question(text, lo, hi)
    return lo, hi


def _after_thinking(text: str) -> tuple[int, int]:
    """After the last closed thinking block, before one that was never closed."""
    lo, hi, opened = 0, len(text), False
    if "hink" not in text and "HINK" not in text and "thought" not in text and "</" not in text:
        return lo, hi
    for match in _THINKING.finditer(text):
        if match["close"] or match["end"] or match["shut"] or match["stop"]:
            lo, hi, opened = match.end(), len(text), False
        elif not opened:
            hi, opened = match.start(), True
    return lo, hi


def _first_turn(text: str, lo: int, hi: int) -> int:
    """The end of the first turn that says anything."""
    for match in _TURN.finditer(text, lo, hi):
        blank = _BLANK.match(text, lo)
        if blank and blank.end() < match.start():
            return match.start()
    return hi


def _own_question(text: str, lo: int, hi: int) -> tuple[int, int]:
    """The part that answers the question asked.

    A text that starts with a question echoes its prompt, and the last question in it is the one
    asked (those before it are exemplars). Otherwise a question that follows is a run-on.
    """
    matches = list(_QUESTION.finditer(text, lo, hi))
    if not matches:
        return lo, hi
    if _WORKED.search(text, lo, matches[0].start()):
        return lo, matches[0].start()
    return matches[-1].end(), hi
