"""Whether words around a letter only suppose it, or leave it in doubt.

Each pattern is tried only where a part of one of its words stands: most texts have none, and finding that
out takes a third of the time.
"""

from __future__ import annotations

import re

from evalkit.extract.answer_span import holds_any

_DOUBT = re.compile(r"[iI]f\s|[nN]ot\s|n['’]t\s|[wW]h(?:ether|y)\s|uppos|ssum|nless|ould")
# As the third version doubts.
_MORE_DOUBT = re.compile(
    _DOUBT.pattern + r"|oubt|likely|ardly|alse\s|rong\s|far\sfrom|nowhere|neit|icht|\bno\s|ever\s"
)
_IN_DOUBT = (
    *("if", "If", "not", "Not", "'t", "’t", "hether", "why", "Why", "uppos", "ssum", "nless", "ould"),
    *("oubt", "likely", "ardly", "alse", "rong", "far", "nowhere", "neit", "icht", "no", "ever"),
)
_LONGEST = 110
# A clause that only supposes.
_CONDITION = re.compile(
    r"(?:\b(?:[Ii]f|[Ww]hether|[Ss]uppose|[Aa]ssum\w{1,4}|[Uu]nless|[Ww]ould have been"
    r"|[Ww]hy)\b)[^.!?\n,;]{0,60}$"
)
_IN_CONDITION = ("if", "If", "hether", "uppose", "ssum", "nless", "ould have", "why", "Why")


def in_doubt(text: str, lo: int, hi: int, more: bool) -> bool:
    """Whether the end of text[lo:hi] has a word of doubt; `more` of them from the third version on."""
    begin = max(lo, hi - _LONGEST)
    pattern = _MORE_DOUBT if more else _DOUBT
    return holds_any(text[begin:hi], _IN_DOUBT) and pattern.search(text, begin, hi) is not None


def is_supposed(head: str, end: int) -> bool:
    """Whether head[:end], which leads up to a letter or its announcement, only supposes what follows."""
    return holds_any(head, _IN_CONDITION) and _CONDITION.search(head, 0, end) is not None
