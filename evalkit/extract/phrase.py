"""Rule `answer-is`: what the last "the answer is ..." says, in the languages of MGSM and some more."""

from __future__ import annotations

import re
from collections.abc import Iterable

from evalkit.extract.answer_span import AnswerSpan, last_match
from evalkit.extract.declared.altered import is_altered
from evalkit.extract.declared.claim import read_claim
from evalkit.extract.declared.content import Content, is_prose, is_spread, read_content, strip
from evalkit.extract.declared.denied import claimed_instead, denies, is_denied
from evalkit.extract.declared.kept import keep_declared
from evalkit.extract.markers import MOST_TRIED
from evalkit.extract.numbers import NUMBER, canonical

# The end of the word for "answer" (its first letter may be a capital), and whether the language
# writes a comma for the decimal point.
_ASCII_STEMS = {
    "nswer": False, "NSWER": False, "Ans": False, "\nA": False, "ibu": False,
    "espuesta": True, "ntwort": True, "isposta": True, "esposta": True, "ntwoord": True, "Svar": True,
}  # fmt: skip
_STEMS = _ASCII_STEMS | {
    "答案": False, "答え": False, "答": False, "정답": False, "답": False, "คำตอบ": False, "উত্তর": False,
    "సమాధానం": False, "الإجابة": False, "الجواب": False,
    "éponse": True, "твет": True, "dpowied": True, "áp án": True, "áp số": True,
}  # fmt: skip
_USUAL_STEM = "nswer"
_LONGEST_TAIL = 300
# What may take an answer back, from its end on (characters).
_LONGEST_BACK = 40

# Between the word and its verb or mark.
_BEFORE_MARK = re.compile(
    r"(?:ź|et|en|s)?[ \"'*_】\]）)」]{0,8}(?:\([^()\n]{0,60}\)\s?)?"
    r"(?:(?:to|for|of|à|a|auf|на)\s(?!\$?\d)[^.\n:=]{0,120}?\s(?=is\b|was\b|est\b|es\b|ist\b))?"
    r"(?:(?:finale?|final|correct[ea]?|richtige|then|therefore|here|thus)\s)*"
)
_MARK = re.compile(
    r"(?:(?:is|was|equals|would be|should be|will be|must be|of|are|est|es|ist|lautet|beträgt|wäre|è|é|är|er"
    r"|ni|là|to|adalah|равен|равна|هي|هو)\b|=|[:：]|就?是|[应應]该?[是为為]|[为為]|等于|は|คือ|হল|হলো|হবে|는|은|\s-\s|—|–|→)"
)
_AFTER_MARK = re.compile(
    r"[\s\"'*_:：】\]）)」은는=]{0,20}(?:(?:therefore|thus|so|simply|now|then|also|approximately|about|around|exactly|only|just|donc"
    r"|que|that|also|indeed|equal to|environ|ungefähr|etwa|aproximadamente|约|大约)\s+)*"
)
_SHORT_MARK = re.compile(r"\s?[:：.=]")
_BARE_MARK = re.compile(r"[\s】」\]*_]*(?=[-−$\\]?[\d\\$(])")
_IS_THE_ANSWER = re.compile(
    r"\s+(?:is|would be|must be)\s+(?:the|our|my|your)\s+(?:final\s+|correct\s+)?[Aa]$"
)
_SENTENCE = re.compile(
    r"[.!?。！？<](?:(?<=[。！？<])|(?<=[.!?])(?<!i\.e.)(?<!e\.g.)(?<!approx.)(?=\s|$|\\|<))"
)
_FORMULA = re.compile(r"\$\$?[^$\n]+\$\$?|\\\((?:[^\\\n]|\\[^)\n])+\\\)|\\\[(?:[^\\\n]|\\[^\]\n])+\\\]")
_DIGIT = re.compile(r"\d")
_BEGINS_VALUE = frozenset("0123456789$-(")
_NOT_BUT = re.compile(r"not\s[^.\n]{1,80}?\bbut\s+(?:rather\s+)?")


# The usual end of a reply, read at once.
_PLAIN_END = re.compile(r"(?:\nA:|nswer(?:\sis|:))[ *]?(?P<number>-?(?:0|[1-9][0-9]{0,17}))[.\s]{0,3}\Z")
_PLAIN_TAIL = 40


def read_phrase(text: str, lo: int, hi: int, read: Content = read_content) -> AnswerSpan | None:
    """The last readable answer phrase in text[lo:hi]."""
    begin = lo if hi - lo < _PLAIN_TAIL else hi - _PLAIN_TAIL
    plain = _PLAIN_END.search(text[begin:hi])
    if plain and plain["number"] != "-0":
        start, end = plain.span("number")
        return AnswerSpan(plain["number"], begin + start, begin + end)
    stems = _ASCII_STEMS if text.isascii() else _STEMS
    at = text.rfind(_USUAL_STEM, lo, hi)
    if at >= 0 and not _stems_in(text[at + 1 : hi], stems):
        found = _read_at(text, lo, at, _USUAL_STEM, hi, read)
        if found is not None:
            return found
    last = {stem: at for stem in _stems_in(text, stems) if (at := text.rfind(stem, lo, hi)) >= 0}
    if text.startswith(("A:", "A："), lo):
        last.setdefault("\nA", lo - 1)
    for _ in range(MOST_TRIED):
        if not last:
            return None
        stem = max(last, key=last.__getitem__)
        at = last.pop(stem)
        found = _read_at(text, lo, at, stem, hi, read)
        if found is not None:
            return found
        earlier = text.rfind(stem, lo, at)
        if earlier >= 0:
            last[stem] = earlier
    return None


def _stems_in(text: str, stems: Iterable[str]) -> list[str]:
    return [stem for stem in stems if stem in text]


def _read_at(text: str, lo: int, at: int, stem: str, hi: int, read: Content) -> AnswerSpan | None:
    end = at + len(stem)
    if stem in ("\nA", "Ans"):
        mark = _SHORT_MARK.match(text, end, hi)
        return _tail(text, mark.end(), hi, False, read) if mark else None
    if stem == "ibu" and not text.startswith(("j", "J"), at - 1):
        return None
    before = _BEFORE_MARK.match(text, end, hi)
    end = before.end() if before else end
    mark = _MARK.match(text, end, hi)
    if mark:
        return _tail(text, mark.end(), hi, _STEMS[stem], read)
    bare = _BARE_MARK.match(text, end, hi)
    if bare and (not stem.isascii() or "\n" in bare.group() or "*" in bare.group()):
        return _tail(text, bare.end(), hi, _STEMS[stem], read)
    if read is keep_declared and (claimed := claimed_instead(text, end, hi)):  # "isn't 6, it's 5"
        return _tail(text, claimed, hi, _STEMS[stem], read)
    return _value_before(text, lo, at)


def _tail(text: str, at: int, hi: int, decimal_comma: bool, read: Content) -> AnswerSpan | None:
    """What follows an announcement; a bound ("more than 5") and what is taken back ("5? No.") stay text."""
    found = _announced(text, at, hi, decimal_comma, read)
    if (
        read is keep_declared
        and found is not None
        and found.answer is not None
        and found.answer[-1].isdigit()
        and (
            is_denied(text, max(0, at - 3), found.start, found.end, hi)
            or is_altered(text, at, found.start, found.end, hi)
        )
    ):
        end = text.find("\n", found.end, min(hi, found.end + _LONGEST_BACK))
        end = min(hi, found.end + _LONGEST_BACK) if end < 0 else end
        return AnswerSpan(text[at:end].strip(), at, end)
    return found


def _announced(text: str, at: int, hi: int, decimal_comma: bool, read: Content) -> AnswerSpan | None:
    after = _AFTER_MARK.match(text, at, hi)
    start = after.end() if after else at
    hi = min(hi, start + _LONGEST_TAIL)
    end = text.find("\n", start, hi)
    start, end = strip(text, start, hi if end < 0 else end)
    if read is keep_declared:
        if start < end and text[start] not in _BEGINS_VALUE and denies(text, start, end):
            start = claimed_instead(text, start, end) or end
    elif text.startswith("not ", start):
        contrast = _NOT_BUT.match(text, start, end)
        if contrast is None:
            return None
        start = contrast.end()
    if start == end:
        return None
    if read is not read_content and (formula := _FORMULA.match(text, start, end)):
        stop = _value_end(text, formula.end(), end)
        if not _DIGIT.search(text, formula.end(), stop):
            return read(text, *formula.span(), decimal_comma)
    if is_prose(text[start:end]):
        sentence = _SENTENCE.search(text, start, end)
        end = sentence.start() if sentence else end
        found = read(text, start, end, decimal_comma)
        if found is not None and found.answer is not None and canonical(found.answer) is None:
            return (
                AnswerSpan(found.answer, start, end)
                if is_spread(found.answer)
                else read_claim(text, start, end, decimal_comma)
            )
        return found
    return read(text, start, _value_end(text, start, end), decimal_comma)


def _value_end(text: str, start: int, end: int) -> int:
    """The end of the sentence that states the value, or of the formula where that is all math."""
    sentence = _SENTENCE.search(text, start, end)
    return sentence.start() if sentence and sentence.start() > start else end


def _value_before(text: str, lo: int, at: int) -> AnswerSpan | None:
    """The value that stands first, as in "Hence 27 is the answer"."""
    back = max(lo, at - 80)
    verb = _IS_THE_ANSWER.search(text, back, at)
    if verb is None:
        return None
    last = last_match(NUMBER, text, back, verb.start())
    if last is None or verb.start() - last.end() > 30:
        return None
    number = canonical(last.group())
    return None if number is None else AnswerSpan(number, last.start(), last.end())
