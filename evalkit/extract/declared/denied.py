r"""Whether a number that is read is only denied or a bound: "not 5", "never 5", "more than 5", "5 or more".

In the languages of rule `answer-is`, from the rules' third version on. What stands right before the number
decides, and what stands right after it; "not 6 but 5" claims the 5.
"""

from __future__ import annotations

import re

from evalkit.extract.declared.words import ASCII_WORD

_BEFORE = 60
_AFTER = 48
_CONTRASTED = 80

# Between a negation and its number: marks, LaTeX that sets text, words that change nothing.
_MARKS = r"[\s:*_(\[{}\"'“‘$£€¥~]"
_COMMANDS = r"\\(?:text\w*|math\w{2}|mbox|[,;:! ])"
_BETWEEN = (
    rf"(?:{_MARKS}|{_COMMANDS}|(?:possibly|be|have|need|get|make|equals?|equal to|exactly|really"
    r"|actually|simply|just"
    r"|the|an|a|answer|number|value|gleich|die|das|égale? à|igual a|uguale a|en|una?|le|la|el|o|à|är|là"
    r"|es|est|è|é|sont|son|等于|是|为|هو|равн[оаы]?|равен)\b)*"
)
_NOT_WORDS = (
    r"(?:\b(?:not|never|cannot|no longer|neither|nor|other than"
    r"|(?:anything|everything|all|any number|any value) (?:but|except)|except(?: for)?|unlike"
    r"|different from|unequal to|wrong|incorrect|false|not right|rather than|instead of"
    r"|nicht|niemals|nie|kein(?:e|en|er)?|keineswegs"
    r"|ungleich|außer|pas|jamais|différente? de|autre que|no (?:es|son|puede ser|ser[áí]a?|hay|era|igual)"
    r"|nunca|jamás|distint[oa] (?:de|a)|non|mai|divers[oa] da|não|diferente de|niet|nooit|geen|inte|ej"
    r"|aldrig|не|никогда|[Jj]ibu si|sio|siyo|không phải(?: là)?|không (?:là|bằng))\b|n['’]t\b"
    r"|不是|不等于|不等於|不为|不為|不可能|不会|并非|並非|绝非|而非|不應|不应"
    r"|ไม่ใช่|ไม่เท่ากับ|ليست?|لا (?:يساوي|تساوي))"
)
_BOUND_WORDS = (
    r"(?:\b(?:(?<!\bno )(?<!\bnot )(?<!\bnever )(?:more|greater|less|fewer|larger|smaller"
    r"|higher|lower|bigger) than(?: or equal to)?"
    r"|(?:is|are|was|were|be) (?:just |slightly |well )?(?:over|under|above|below|beyond|up to)"
    r"|exceed(?:s|ing)?|(?:größer|kleiner|mehr|weniger|höher) als|plus (?:grande?|petite?|élevée?) que"
    r"|plus de|moins de|(?:supér|infér)ieure?s? à|(?:mayor|menor|más grande|más|menos)(?:es)? (?:que|de|a)"
    r"|(?:maggiore|minore|più|meno)(?: grande)? di|(?:maior|menor|mais|menos)(?:es)? (?:do )?(?:que|de)"
    r"|(?:groter|kleiner|meer|minder) dan|(?:större|mindre|mer|fler|färre) än|(?:więks|mniejs)\w+ (?:niż|od)"
    r"|(?:więcej|mniej) niż|больше|меньше|более|менее|zaidi ya|chini ya|(?:lớn|nhỏ|nhiều|ít) hơn)\b"
    r"|[大小多少][于於]|超过|超過|不到|不足|มากกว่า|น้อยกว่า|(?:أكبر|أقل|أكثر|أصغر) من)"
)
_NOT = rf"(?:{_NOT_WORDS}|≠|!=|\\neq?(?![a-z])|\\not\s*=)"
_BOUND = rf"(?:{_BOUND_WORDS}|(?:(?<=\S )|(?<=[\s$(][A-Za-z]))[<>](?!=)|\\[lg]t(?![a-z]))"
_DENIED = re.compile(rf"(?:{_NOT}|{_BOUND}){_BETWEEN}$", re.IGNORECASE)
_NEGATED = re.compile(
    rf"{_MARKS}*(?:(?:[^\W\d_]+ly|is|was|will|would|should|must|could|n['’]est|ist|lautet|è|é|est|es)\s)?"
    rf"(?:[^\W\d_]{{2,6}}(?=n['’]t))?{_NOT}(?![^\W\d_])(?!\s+(?:more|less|fewer|greater|larger|smaller)\s+than)",
    re.IGNORECASE,
)
_OR_MORE = (
    r"(?:or\s+(?:not|more|less|fewer|greater|higher|lower|over|above|below|under)"
    r"|and\s+(?:up|more|above|over|below))\b"
)
_AFTER_CJK = (
    r"では(?:ない|ありません|なく)|じゃない|でない|以上|以下|未満|以内|아[니닙닌]|이상|이하|초과|미만"
    r"|değil|নয়|नहीं|కాదు|不对|不正确"
)
_TAKEN_BACK = re.compile(
    rf"(?:{_MARKS}|{_COMMANDS}|[)\].!])*(?:(?:[^\W\d_]+\s+)?(?:{_OR_MORE})"
    r"|(?:(?:is|was)(?:\s+not|n['’]?t)|can(?:not|['’]t)\s+be)\s+(?:the\b|an?\b|my\b|\s)*"
    r"(?:answer|correct|right|true|possible|solution|valid|it\b)|is\s+(?:wrong|incorrect|false|impossible)\b"
    r"|(?:is\s+)?(?:not|wrong)(?=[\s)}.]*$)|\?+[\s\"}]*(?:\\text\s?\{)?(?:no|nope|not|wrong)\b"
    rf"|(?:sind\s|ist\s)?(?:falsch|nicht richtig)\b|[^\W\d_]{{0,3}}\s?(?:{_AFTER_CJK}))",
    re.IGNORECASE,
)
# For a quick look before those patterns: what may stand between, and the last word of what denies.
_SKIPPED = " \t\n*_:([{}])\"'“‘$£€¥~.!"
_LAST_WORD = re.compile(r"[A-Za-z]+$")
_NEAR = 24
_LAST_WORDS = frozenset([
    "a", "actually", "aldrig", "als", "an", "answer", "be", "but", "cannot", "da", "dan", "das", "de",
    "di", "die", "ej", "el", "en", "equal", "equals", "era", "false",
    "incorrect", "right", "wrong", "es", "est", "exactly", "exceed",
    "exceeding", "exceeds", "except", "for", "from", "geen", "get", "gleich", "gt", "have", "hay",
    "igual", "inte", "jamais", "just", "kein", "keine", "keinen", "keiner", "keineswegs", "la", "le",
    "longer", "lt", "mai", "make", "mathbf", "mathrm", "mbox", "ne", "need", "neither",
    "above", "below", "beyond", "over", "under", "possibly", "neq", "never",
    "nicht", "nie", "niemals", "niet", "non", "nooit", "nor", "not", "number", "nunca", "o", "od", "of",
    "pas", "que", "really", "ser", "si", "simply", "sio", "siyo", "son", "sont", "t", "text", "textbf",
    "textit", "textrm", "than", "the", "to", "uguale", "un", "una", "ungleich", "unlike", "value", "ya"
])  # fmt: skip
# One of these words, or of these letters, stands in every denial.
_DENYING = frozenset([
    "above", "below", "beyond", "over", "under", "up",
    "aldrig", "als", "autre", "but", "cannot", "dan", "diferente", "different", "distinta", "distinto",
    "diversa", "diverso", "ej", "exceed", "exceeding", "exceeds", "except", "false",
    "geen", "grande", "incorrect", "right", "wrong", "gt",
    "instead", "inte", "jamais", "kein", "keine", "keinen", "keiner", "keineswegs", "longer", "lt",
    "maggiore", "mai", "maior", "maiores", "mais", "mayor", "mayores", "meno", "menor", "menores",
    "menos", "minore", "moins", "ne", "neither", "neq", "never", "nicht", "nie", "niemals", "niet",
    "no", "non", "nooit", "nor", "not", "nunca", "od", "pas", "plus", "rather", "si", "sio", "siyo",
    "t", "than", "unequal", "ungleich", "unlike", "ya"
])  # fmt: skip
_DENYING_LETTERS = frozenset("不非≠于於超过ไกกلأнНбБмМãôàäáèéßżćąęł")
# What takes a number back in ASCII, without "or more" and "and up".
_TAKING_BACK = ("is", "was", "can", "not", "wrong", "sind", "falsch", "nicht")
# In an answer that is a value and words.
_SAID = re.compile(
    rf"{_NOT_WORDS}|{_BOUND_WORDS}|{_AFTER_CJK}|\b(?:{_OR_MORE}|wrong\b|incorrect\b|false\b|no\b|falsch\b)",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"[\s*_\"'$)}\]]*+[^\n.!?;。]{0,30}?(?:[,;:]?\s*\b(?:but(?:\s+rather|\s+instead)?|sondern|sino(?:\s+que)?|mais"
    r"|bensì|ma|mas|maar|utan|lecz|ale|tylko|а|nhưng|mà là|it['’]s|it is|rather)\b"
    r"|[\s,.;:!—–-]++(?:(?:so|but|thus|hence|therefore|and|instead|rather)\b[\s,:]*+)*+(?:it|this|that|the\s(?:answer|value|total))"
    r"(?:['’]s|\s(?:is|must\sbe|has\sto\sbe|should\sbe|can\sonly\sbe|would\sbe|will\sbe))(?!\s(?:not|n['’]t))\b"
    r"|而是|ではなく|가?\s?아니라|बल्कि|بل)",
    re.IGNORECASE,
)


def says_denial(answer: str) -> bool:
    """Whether an answer as text says anywhere that it is not meant, or is a bound."""
    return _SAID.search(answer) is not None


def is_denied(text: str, lo: int, start: int, end: int, hi: int) -> bool:
    """Whether text[start:end] is denied or a bound; "at least 5" is none, for the question may ask so."""
    begin = lo if start - lo < _BEFORE else start - _BEFORE
    if start > lo and _may_deny(text[begin:start]) and _DENIED.search(text, begin, start):
        return True
    stop = hi if hi - end < _AFTER else end + _AFTER
    after = text[end:stop].lstrip(_SKIPPED)
    if not after or (
        after[0].isascii()
        and after[0] not in "iwcnfsdIWCNFSD?\\"
        and "or" not in after
        and not after.startswith("and ")
    ):
        return False
    if after[0].isalpha() and after.isascii() and not _may_take_back(after.lower()):
        return False
    return _TAKEN_BACK.match(text, end, stop) is not None


def _may_take_back(after: str) -> bool:
    """Whether words in small letters of ASCII after a number can be a denial of it or a bound."""
    return after.startswith(_TAKING_BACK) or "or" in after or "and" in after


def _may_deny(before: str) -> bool:
    """Whether what stands before a number can end in a denial, by its last words and signs."""
    near = before[-_NEAR:]
    if not near.isascii() and not _DENYING_LETTERS.isdisjoint(near):
        return True
    stripped = near.rstrip(_SKIPPED)
    word = _LAST_WORD.search(stripped) if stripped[-1:].isalpha() else None
    if word is None:
        end = stripped[-1:]
        if end == "=":
            return "!=" in near or "not" in near.lower()
        if end == "\\":  # of "\\[ 5" it opens a formula, of "not\\ 5" it is a blank
            return near[len(stripped) :][:1] in (":", "!", " ")
        return end in ("<", ">") or stripped.endswith(("\\,", "\\;"))
    return word[0].lower() in _LAST_WORDS and not _DENYING.isdisjoint(ASCII_WORD.findall(before.lower()))


def denies(text: str, at: int, hi: int) -> bool:
    """Whether text[at:hi] begins with a negation: "not 6", "certainly not 6"."""
    return _NEGATED.match(text, at, hi) is not None


def claimed_instead(text: str, at: int, hi: int) -> int | None:
    """Where begins what is claimed after a negation at `at`: the 5 of "not 6 but 5"; None without a claim."""
    negated = _NEGATED.match(text, at, hi)
    return contrasted(text, negated.end(), hi) if negated else None


def contrasted(text: str, end: int, hi: int) -> int | None:
    """Where begins what is claimed instead of a denied value that ends at `end`, or stands right after it."""
    contrast = _CONTRAST.match(text, end, min(hi, end + _CONTRASTED))
    return contrast.end() if contrast else None
