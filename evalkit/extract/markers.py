"""Rules that look for a marker: `hash` (####), `answer-is` (a phrase), `json` (an answer field)."""

from __future__ import annotations

import re

from evalkit.extract.content import read_content, read_number, strip
from evalkit.extract.found import Found

_LINE = re.compile(r"[^\n]*\n?")
_HASHES = re.compile(r"#{3,}[ \t:：]*(?=\S|\n)")
_ANSWER_LABEL = re.compile(r"(?:the )?(?:final )?answer(?: is)?\s*[:：=]?\s*", re.IGNORECASE)

# "answer" and the verb or mark behind it, in the languages of MGSM and a few more. A comma is the
# decimal mark in the languages of the second group.
_PHRASE = re.compile(
    r"(?:\b(?:answer|result|solution)\b[\"'*_ ]*(?:\([^()\n]{0,40}\)\s*)?"
    r"(?:(?:to|for|of)\b[^.\n:=]{0,120}?\s)?(?:(?:is|was|equals|would be|should be|will be|must be)\b|[:：=])"
    r"|答案|答え|答[:：]|정답|답은|답[:：]|คำตอบ|উত্তর|సమాధానం|\bjibu\b|الإجابة|الجواب)"
    r"(?P<comma>)?",
    re.IGNORECASE,
)
_PHRASE_COMMA = re.compile(
    r"\b(?:respuesta|réponse|reponse|antwort|risposta|resposta|antwoord|odpowiedź|svar(?:et)?)\b|ответ|đáp án|đáp số",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"[\s\"'*_】\]）)]*(?:(?:final|finale|correct[ea]?|donc|则|应该)\s*)*"
    r"(?:is|was|are|est|es|ist|lautet|beträgt|är|er|è|é|ni|là|是|为|為|は|равен|равна|—|-(?=\s)|هي|هو|คือ|হল|హలో)?"
    r"[\s:：=*_\"'】\]]*(?:(?:therefore|thus|so|also|donc|approximately|about|exactly|also)\s+)?",
    re.IGNORECASE,
)
_IS_ANSWER = re.compile(r"(?P<value>[^\s]{1,40}(?: [^\s]{1,20})?) is (?:the|our|my) (?:final |correct )?answer", re.I)
_JSON_FIELD = re.compile(r"[\"'](?:final[_ ]?)?(?:answer|result)[\"']\s*:\s*", re.IGNORECASE)
_JSON_VALUE = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'|([^\s,\"'}\]][^,\n}\]]*)")


def read_hash(text: str, lo: int, hi: int, least: int = 4) -> Found | None:
    """What follows the last `####` on its line, or on the next line where nothing follows."""
    marker = "#" * least
    at = hi
    while True:
        at = text.rfind(marker, lo, at)
        if at < 0:
            return None
        start = at + least
        while start < hi and text[start] in " \t:：#*\u200b":
            start += 1
        if start < hi and text[start] in "\r\n":
            while start < hi and text[start].isspace():
                start += 1
        end = text.find("\n", start, hi)
        end = hi if end < 0 else end
        label = _ANSWER_LABEL.match(text, start, end)
        found = read_content(text, label.end() if label else start, end)
        if found is not None and (least > 3 or found.answer is None or found.answer[:1] in "-0123456789"):
            return found
        while at > lo and text[at - 1] == "#":
            at -= 1


def read_phrase(text: str, lo: int, hi: int) -> Found | None:
    """What the last "the answer is ..." says, in any of the languages, where that can be read."""
    for pattern, comma in ((_PHRASE, False), (_PHRASE_COMMA, True)):
        for match in reversed(list(pattern.finditer(text, lo, hi))):
            found = _phrase_tail(text, match.end(), hi, comma)
            if found is not None:
                return found
    return None


def _phrase_tail(text: str, at: int, hi: int, comma: bool) -> Found | None:
    tail = _TAIL.match(text, at, hi)
    start = tail.end() if tail else at
    end = text.find("\n", start, hi)
    end = hi if end < 0 else end
    start, end = strip(text, start, end)
    if start == end:
        return None
    return read_number(text, start, min(end, start + 300), comma)


def read_json(text: str, lo: int, hi: int) -> Found | None:
    """The value of the last answer field of a JSON object (which need not be valid JSON)."""
    for match in reversed(list(_JSON_FIELD.finditer(text, lo, hi))):
        value = _JSON_VALUE.match(text, match.end(), hi)
        if value and value.lastindex:
            found = read_content(text, value.start(value.lastindex), value.end(value.lastindex))
            if found is not None:
                return found
    return None
