"""A letter that is claimed instead of another one: "not A but B", "A. Actually no, B".

Languages as those of rule `answer-is`; part of the rule from its third version on.
"""

from __future__ import annotations

import re

from evalkit.extract.choice.context import CLOSERS

_OPEN = (
    r"[\s*_(（「\"'“$\\{]*"
    r"(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer|la|el|l['’]option|die|der|the)(?:\s|$))*[(（*\"'$]*"
)
_NOT = (
    r"(?:\b(?:not|neither|nor|nicht|no (?:es|está|sería|será)|pas|non(?: è)?|não é|niet|inte|nie(?: jest)?"
    r"|не|không phải(?: là)?)\b|n['’]t(?: be)?\b|不是|并非|並非|不选|不選|ไม่ใช่)"
)
_BUT = (
    r"(?:,?\s*\b(?:but(?: rather)?|rather|sondern|sino(?: que)?(?: es)?|mais|ma|bensì|mas(?: sim)?|maar"
    r"|utan|lecz|ale|а|mà là|nhưng là)\b"
    r"|[,;]\s*(?:it['’]s|it is|es(?: ist)?|c['’]est|è|é|är)\b|[,，]?\s*(?:而是|[选選]|แต่เป็น))"
)
_REPLACED = r"[A-ZＡ-Ｚ][)）\"'*]{0,3}\s?(?:ではなく|じゃなくて?|[이가]\s?아니[라고]|değil)[,、]?"
_PAUSE = r"[\s,.:;!…，。—–-]"
_TAKEN_BACK = (
    rf"(?<![A-Za-z])[A-ZＡ-Ｚ]{CLOSERS}[\s.,;:!?…。，！—–-]{{0,6}}"
    rf"(?:(?:oh|so|well|I think|I mean|it['’]s|it is|it must be|make (?:that|it)|是|es|ist){_PAUSE}{{1,4}})?"
    r"(?:(?:[Aa]ctually|[Nn]o(?=[,.:;!…—–-]|\s[a-z])|[Nn]ope|[Ww]ait|[Hh]m+|[Ss]orry|[Cc]orrection|[Ii]nstead"
    r"|I mean|[Mm]ake that|[Oo]ops|[Ss]cratch that"
    rf"|[Nn]ein|[Dd]och|不[对對]|不(?=[，,。])){_PAUSE}{{0,4}}){{1,3}}"
    r"(?:(?:I think|I mean|it['’]s|it is|make (?:that|it)|应该是|是|es|ist)[\s:]*)?"
)
# What may end right before the letter that is claimed.
_INSTEAD = re.compile(rf"(?:{_NOT}{_OPEN}[A-ZＡ-Ｚ]{CLOSERS}{_BUT}{_OPEN}|{_REPLACED}{_OPEN}|{_TAKEN_BACK})$")
_LONGEST = 72
# For a quick look before that pattern: the words that it can end in, with nothing but marks after them.
_MARKS = " \t\r\n\v\f*_([{\"'`$\\,.:;!-"
_LAST_WORDS = (
    "option", "choice", "answer", "la", "el", "die", "der", "the", "but", "rather", "sondern", "sino", "que",
    "es", "mais", "ma", "mas", "sim", "maar", "utan", "lecz", "ale", "it's", "it’s", "it is", "ist", "est",
    "actually", "no", "nope", "wait", "hm", "mm", "sorry", "correction", "instead", "i mean", "ake that",
    "ake it", "oops", "cratch that", "nein", "doch", "i think", "är", "ğil",
)  # fmt: skip


def claimed_instead(head: str) -> bool:
    """Whether what stands before a letter denies another one and claims this."""
    return _may_claim(head) and _INSTEAD.search(head, max(0, len(head) - _LONGEST)) is not None


def _may_claim(head: str) -> bool:
    """Whether the last word before a letter is one that takes another letter back, or claims this instead."""
    end = head[-_LONGEST:].rstrip(_MARKS)[-16:]
    last = end[-1:]
    return not last.isascii() or last.isspace() or end.lower().endswith(_LAST_WORDS)
