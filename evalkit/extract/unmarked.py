"""Read an answer that no marker announces: rule `last-number`, and the last steps of `lenient`."""

from __future__ import annotations

import re
from itertools import pairwise

from evalkit.extract.answer_span import AnswerSpan, last_match
from evalkit.extract.declared.altered import is_altered, is_struck
from evalkit.extract.declared.claim import read_claim
from evalkit.extract.declared.content import read_content
from evalkit.extract.declared.denied import contrasted, is_denied
from evalkit.extract.declared.kept import is_hedged
from evalkit.extract.declared.revised import is_offered
from evalkit.extract.declared.words import number_word
from evalkit.extract.numbers import NUMBER, canonical

# Only the end of a text may hold an answer that nothing announces (characters).
_TAIL = 2000
_LINE_END = 120
_LINES_BACK = 4
_SENTENCES_BACK = 3

_OUTPUT = re.compile(r"```(?:output|stdout|text)\s*\n")
_FENCE = re.compile(r"(?:^|(?<=\n))```(?P<language>\w{0,12})")
_PROGRAMS = ("python", "py", "python3", "cpp", "c", "java", "javascript", "js", "sql", "r", "bash", "sh")
_ONLY_MARKUP = re.compile(r"[\s\\\[\](){}$`*_~=|<>/\"'#.-]*|<[/|]?\w{1,20}\|?>|\\end\{\w{1,20}\*?\}")
_LAST_TAG = re.compile(r"\s*<[/|]?\w{1,18}\|?>\s*$")
_SENTENCE = re.compile(
    r"[.!?。！？](?:(?<=[。！？])\s*|(?<=[.!?])(?<![\d\s][A-Z].)(?<!\bvs.)(?<!Mr.)(?<!Mrs.)(?<!Dr.)"
    r"[.!?]*[\"'”)*$\]}]*\s+)(?=\S)"
)
# A text that ends in the question answers nothing.
_ASKS = re.compile(
    r"\b(?:how (?:many|much|long|far|old|fast)|what (?:is|was|are|will))\b[^?\n]{0,200}\?\s*$", re.I
)
# The last word of a sentence that was cut off.
_CUT = re.compile(
    r"(?:\b(?:an?|the|of|to|by|and|or|is|are|was|were|with|for|in|on|that|which|so|we|from|at|as|if|than|then)|[-+=×/,])\s*$"
)
# What a chat model adds that belongs to no answer.
_POLITE = re.compile(
    r"\b(?:let me know|i hope|hope this|feel free|would you like|do you have|happy to help)\b|[?？]\s*$", re.I
)
_COMPLETE = re.compile(r"[.!?。！？:)\]}`*\"'”$]\s*$")


def read_last_number(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """The last number of the text, wherever it stands."""
    lo = max(lo, hi - _TAIL)
    while lo < hi:
        start = max(text.rfind("\n", lo, hi - 1) + 1, lo)
        # the end of a long line first: a number that begins well inside it was not cut
        for begin in (hi - _LINE_END, start) if hi - start > 2 * _LINE_END else (start,):
            for match in reversed(list(NUMBER.finditer(text, begin, hi))):
                number = canonical(match.group())
                if number is not None and (begin == start or match.start() > hi - _LINE_END // 2):
                    return AnswerSpan(number, match.start(), match.end())
        hi = start
    return None


def read_unmarked(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """What the program printed, else what the last sentence with a number claims.

    None where the text breaks off in a sentence that holds no number yet.
    """
    lo = max(lo, hi - _TAIL)
    while tag := _LAST_TAG.search(text, max(lo, hi - 24), hi):
        hi = tag.start()
    printed = _read_output(text, lo, hi)
    if printed is not None:
        return printed
    if _ends_in_code(text, lo, hi) or _breaks_off(text, lo, hi):
        return None
    return _read_lines(text, lo, hi) or _read_words(text, lo, hi)


def read_affirmed(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """As `read_unmarked`, but what the sentence denies or hedges is no answer: of "not 6 but 5" the 5 is."""
    found = read_unmarked(text, lo, hi)
    if (
        found is None
        or found.answer is None
        or is_hedged(text, lo, found.start, found.end, hi)
        or is_struck(text, found.start, found.end)
        or is_altered(text, lo, found.start, found.end, hi)
        or is_offered(text, lo, found.start, hi)
    ):
        return None
    if not is_denied(text, lo, found.start, found.end, hi):
        return found
    begin = contrasted(text, found.end, hi)
    if begin is None:
        return None
    line = text.find("\n", begin, hi)
    other = read_claim(text, begin, hi if line < 0 else line)
    return None if other is None or is_denied(text, lo, other.start, other.end, hi) else other


def _read_lines(text: str, lo: int, hi: int) -> AnswerSpan | None:
    end = hi
    for _ in range(_LINES_BACK):
        while end > lo and text[end - 1].isspace():
            end -= 1
        start = max(text.rfind("\n", lo, end) + 1, lo)
        if start >= end:
            return None
        if not _ONLY_MARKUP.fullmatch(text, start, end):
            found = _read_line(text, start, end)
            if found is not None:
                return found
            if not _COMPLETE.search(text, max(start, end - 8), end):
                return None
        end = start
    return None


def _read_line(text: str, lo: int, hi: int) -> AnswerSpan | None:
    if text.startswith("#", lo):
        title = read_content(text, lo + len(text[lo:hi]) - len(text[lo:hi].lstrip("#")), hi)
        if title is not None and title.answer is not None and canonical(title.answer) is not None:
            return title
    if text.startswith("|", lo) and text.rstrip().endswith("|"):
        cell = text.rfind("|", lo, hi - 1)
        return read_content(text, cell + 1, hi - 1)
    ends = [lo, *(match.end() for match in _SENTENCE.finditer(text, lo, hi)), hi]
    for first, last in list(pairwise(ends))[: -_SENTENCES_BACK - 1 : -1]:
        if _POLITE.search(text, first, last):
            continue
        found = read_claim(text, first, last)
        if found is not None:
            return found
        if last == hi and not _COMPLETE.search(text, max(first, last - 8), last):
            return None
    return None


def _read_words(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """A number in words in the last line, where no digit stands anywhere."""
    if any(character.isdigit() for character in text[lo:hi]):
        return None
    word = number_word(text, max(lo, text.rstrip().rfind("\n", lo, hi) + 1), hi)
    return AnswerSpan(*word) if word else None


def _ends_in_code(text: str, lo: int, hi: int) -> bool:
    """Whether the text ends in a program, whose numbers are no answer."""
    if "```" not in text:
        return False
    fences = [match for match in _FENCE.finditer(text, lo, hi)]
    if not fences or (len(fences) % 2 == 0 and text[fences[-1].end() : hi].strip()):
        return False
    return fences[-1 if len(fences) % 2 else -2]["language"].lower() in _PROGRAMS


def _breaks_off(text: str, lo: int, hi: int) -> bool:
    """Whether the text ends in a question, inside a formula, or with a word that leads on."""
    if text[max(lo, hi - 9) : hi].rstrip().endswith("?") and _ASKS.search(text, max(lo, hi - 260), hi):
        return True
    if "\\" in text and any(
        text.rfind(f"\\{a}", lo, hi) > text.rfind(f"\\{b}", lo, hi) for a, b in ("()", "[]")
    ):
        return True
    return _CUT.search(text, max(lo, hi - 12), hi) is not None


def _read_output(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """The last number that a program printed in a fenced block, unless prose rounds it afterwards."""
    block = last_match(_OUTPUT, text, lo, hi) if "```" in text else None
    if block is None:
        return None
    close = text.find("```", block.end(), hi)
    close = hi if close < 0 else close
    end = close
    while end > block.end() and text[end - 1].isspace():
        end -= 1
    start = max(text.rfind("\n", block.end(), end) + 1, block.end())
    number = canonical(text[start:end])
    if number is None:
        return None
    if "." in number:
        prose = read_claim(text, close, hi)
        if prose is not None:
            return prose
    return AnswerSpan(number, start, end)
