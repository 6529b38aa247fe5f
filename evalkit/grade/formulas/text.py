"""What is compared as text: ranges, dates, clock times, ratios, words; and two spellings of one formula."""

from __future__ import annotations

import re

from evalkit.grade.formulas.tokens import Token

_MARKUP = re.compile(
    r"\\(?:text\w*|mathrm|mathbf|mbox|boxed|left|right|displaystyle|operatorname\*?)(?![a-z])"
    r"|\\[,;:! ]|[{}$*`\"“”]|\\(?=\s|$)|~"
)
_NUMBER = r"\d+(?:[.,]\d+)*"
_JOIN = r"\s*(?:-|–|—|−|~|\bto\b|bis|至|到)\s*"
_RANGE = re.compile(
    rf"[$€£]?{_NUMBER}(?:{_JOIN}[$€£]?{_NUMBER})+(?:\s*[^\W\d_]{{2,}}\.?)*|(?:from|between)\s.*\d.*\d.*"
)
_DATE = re.compile(r"\d{1,4}([/.-])\d{1,2}\1\d{1,4}")
_CLOCK = re.compile(r"(?:.*[^\d.])?\d{1,4}\s*[:：]\s*\d{1,4}(?!\d).*|\d{1,2}\s*[ap]\.?\s?m\b.*", re.I | re.S)
_HALF_DAY = re.compile(r"\s*[ap]\.?\s?m\b\.?", re.I)
_SET_BUILDER = re.compile(r"[<>=≤≥|\\∈∣]")
_BETWEEN = re.compile(r"(?<=\w)\s+(?=\w)")
_LOOSE = re.compile(r"(?<!\d)\.|\.(?!\d)|[\s,;_'’]+")
_SIGNS = ("-", "/", ":", ".", "m", "M", "–", "—", "~", " to ")
_LETTER = re.compile(r"\(?([A-Za-z])\)?\.?")


def is_written(text: str) -> bool:
    """Whether a text is a range, a date, a clock time or a ratio: never arithmetic."""
    if not any(sign in text for sign in _SIGNS):
        return False
    plain = _MARKUP.sub(" ", text.replace("\\!", "").replace("\\colon", ":")).strip()
    if _DATE.fullmatch(plain) or _RANGE.fullmatch(plain):
        return True
    return _CLOCK.fullmatch(plain) is not None and not _SET_BUILDER.search(plain)


def same_text(answer: str, gold: str) -> bool:
    """Whether two texts say the same, without markup, case and loose punctuation."""
    one, other = _plain(answer), _plain(gold)
    if one == other:
        return bool(one)
    return (
        bool(_HALF_DAY.search(gold))
        and not _HALF_DAY.search(answer)
        and one == _plain(_HALF_DAY.sub("", gold))
    )


def _plain(text: str) -> str:
    text = _MARKUP.sub(" ", text.replace("\\!", "").replace("\\colon", ":")).casefold().strip()
    letter = _LETTER.fullmatch(text)
    if letter:
        return letter[1]
    text = re.sub(r"[–—−~]|(?<=\d)\s*\bto\b\s*(?=[$\d])", "-", text.replace("：", ":"))
    text = re.sub(r"(?<=\d)\s+(?=\d)", "¦", text)
    return _LOOSE.sub("", text)


def spelling(tokens: list[Token]) -> list[str]:
    """The tokens of a formula without what never changes it: braces around one, dots between symbols."""
    found: list[str] = []
    for at, token in enumerate(tokens):
        if token.text in ("{", "}") and _around_one(tokens, at, token.text):
            continue
        if token.kind == "times" and not _between_numbers(tokens, at):
            continue
        if token.kind == "comma" and found and found[-1] in (",", ";", "and", "or"):
            continue
        found.append(token.text)
    return found


def _around_one(tokens: list[Token], at: int, brace: str) -> bool:
    if brace == "{":
        return at + 2 < len(tokens) and tokens[at + 2].text == "}" and tokens[at + 1].kind != "open"
    return at >= 2 and tokens[at - 2].text == "{" and tokens[at - 1].kind != "close"


def _between_numbers(tokens: list[Token], at: int) -> bool:
    return 0 < at < len(tokens) - 1 and tokens[at + 1].kind == "num"
