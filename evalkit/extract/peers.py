"""The rules of named peers, exactly as they behave, with their own way of comparing.

For comparison, and to reproduce a published number. They read the whole text: no thinking block,
run-on or echoed prompt is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from evalkit.extract.answer_span import AnswerSpan, last_match

# verl 0.9.1, verl/utils/reward_score/gsm8k.py
_VERL_CLIP = 300
_VERL_STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
_VERL_FLEXIBLE = re.compile(r"(\-?[0-9\.\,]+)")

# lm-evaluation-harness 0.4, lm_eval/tasks/gsm8k/gsm8k.yaml
_LM_EVAL_STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
_LM_EVAL_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
# regexes_to_ignore: ",", "\\$", "(?s).*#### ", "\\.$"; the third, as a search, is quadratic in a long answer.
_LM_EVAL_MARK = "#### "
_LM_EVAL_POINT = re.compile(r"\.$")


def verl_strict(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """verl: the last "#### N" of the last 300 characters, without commas."""
    last = last_match(_VERL_STRICT, text, max(lo, hi - _VERL_CLIP), hi)
    if last is None:
        return None
    return AnswerSpan(last[1].replace(",", "").replace("$", ""), last.start(1), last.end(1))


def verl_flexible(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """verl: the last run of digits, points and commas of the last 300 characters, as it stands."""
    matches = list(_VERL_FLEXIBLE.finditer(text, max(lo, hi - _VERL_CLIP), hi))
    for match in reversed(matches):
        if match[1] not in ("", "."):
            return AnswerSpan(match[1], match.start(1), match.end(1))
    # verl keeps the first run where all of them are invalid
    return AnswerSpan(matches[0][1], matches[0].start(1), matches[0].end(1)) if matches else None


def lm_eval_strict(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """lm-eval: the first "#### N"."""
    match = _LM_EVAL_STRICT.search(text, lo, hi)
    return AnswerSpan(match[1].strip(), match.start(1), match.end(1)) if match else None


def lm_eval_flexible(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """lm-eval: the last run of dollar signs, digits, points and commas."""
    last = last_match(_LM_EVAL_FLEXIBLE, text, lo, hi)
    return AnswerSpan(last.group().strip(), last.start(), last.end()) if last else None


def _same(answer: str, gold: str) -> bool:
    return answer == gold


def _lm_eval_same(answer: str, gold: str) -> bool:
    return _lm_eval_plain(answer) == _lm_eval_plain(gold)


def _lm_eval_plain(text: str) -> str:
    text = text.replace(",", "").replace("$", "").rpartition(_LM_EVAL_MARK)[2]
    return _LM_EVAL_POINT.sub("", text).lower()


# How each peer compares an answer with a gold (both as text).
PEER_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "verl-gsm8k-strict": _same,
    "verl-gsm8k-flexible": _same,
    "lm-eval-strict": _lm_eval_same,
    "lm-eval-flexible": _lm_eval_same,
}
