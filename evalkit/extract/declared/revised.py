r"""What a text makes of its answer right after it: "5, no wait, 6" claims 6, "5? Maybe 6" claims nothing.

A value that is taken back for another gives way to that one; of two values that are offered neither is an
answer, and none is one that is only asked ("5?") or called wrong. In the languages of rule `answer-is`, from
the rules' third version on. Two ways to write one value ("1/2, or 0.5") are no offer.
"""

from __future__ import annotations

import re
from fractions import Fraction

from evalkit.extract.answer_span import AnswerSpan, last_match
from evalkit.extract.declared.claim import read_claim
from evalkit.extract.declared.words import ASCII_WORD, number_word
from evalkit.extract.numbers import NUMBER, canonical

_REACH = 120
# The greatest power of ten that is written out; no other value told has as many digits.
_MOST_POWER = 10_000
_MOST_REVISED = 8
OFFERED = "offered"
"""The member that an answer without text names where a text offers two."""


_PAUSE = r"[\s*_\"'“”‘’`$()\[\]{}（）】」.,;:!?。，、；：！？…—–-]"
# What is counted may stand before a second thought: "5 apples. No, 6."
_UNIT = (
    r"(?P<unit>(?:\s?(?:\\?[%€£¥°]|[个個元只本人年天円分歳개명살년원]|(?:\\text\s?\{\s?)?[^\W\d_]++)){0,3}?)"
)
_STRONG = (
    r"\b(?:no(?=\s*[,.:;!…—–-])|no,?\s+wait|wait,?\s+no|no(?=,?\s(?:it['’]s|it\sis|make|actually|sorry))|nope|nah"
    r"|let\sme\s(?:correct|fix)\s(?:that|this|it|myself)|rather(?=,?\s*[-$]?\d)|not\s[-$\d.,]{1,12}\s?,?\s?(?:but|it['’]s|it\sis)|scratch\sthat|strike\sthat|make\s(?:that|it)|i\smean(?:t)?|i\stake\s(?:that|it)\sback|never\s?mind|oops|whoops"
    r"|my\s(?:bad|mistake|apologies)|sorry|correction|on\ssecond\sthought|more\sprecisely|or\srather"
    r"|(?:but\s)?(?:that|this|it|which|i)(?:['’]s|\sis|\swas)\s(?:wrong|incorrect|false|impossible|mistaken|a\smistake"
    r"|not\s(?:right|correct|it|true|possible|the\sanswer))"
    r"|nein|doch\snicht|quatsch|vielmehr|ich\smeine|besser\sgesagt|entschuldigung|verzeihung|korrektur|das\sist\sfalsch"
    r"|non|pardon|plutôt|enfin|je\sveux\sdire|désolée?|erreur|c['’]est\sfaux"
    r"|perdón|mejor\sdicho|quiero\sdecir|digo|corrección|no,\sespera|está\smal"
    r"|anzi|scus[ai]|scusate|volevo\sdire|errore|não|aliás|desculpe|perdão|quer\sdizer|correção"
    r"|nee|correctie|ik\sbedoel|nej|förlåt|jag\smenar|przepraszam|a\sraczej|poprawka"
    r"|нет|вернее|точнее|извини(?:те)?|поправка|ошибся|hapana|samahani|không|xin\slỗi|nhầm|hayır|düzeltme|daha\sdoğrusu"
    r"|bukan|maaf|ralat)\b"
    r"|不对|不對|不(?=[，,。])|不是(?=[，,。])|更正|抱歉|错了|錯了|哦不|いや|いいえ|違う|違います|違った|訂正|すみません|間違え\w{0,3}"
    r"|아니(?:요|다|야)?(?=[,.\s])|정정|죄송합니다|틀렸\w{0,3}|ไม่ใช่|ขอโทษ|แก้ไข|لا(?=[،,.\s])|عفوا|عذرا|تصحيح"
    r"|না(?=[,.\s])|দুঃখিত|ভুল|కాదు|క్షమించండి|नहीं|माफ़?\sकीजिए"
)
_ASIDE = (
    r"(?:i\s(?:guess|think|believe)|(?:i\sam\s|i['’]m\s)?not\s(?:entirely\s|quite\s)?sure|just\sa\sguess)"
)
_WEAK = (
    r"\b(?:wait|actually|hmm+|hold\son|warte|moment|eigentlich|attend(?:s|ez)|en\sfait|espera|espere|en\srealidad"
    r"|aspetta|in\srealtà|na\sverdade|wacht|eigenlijk|vänta|egentligen|czekaj|właściwie|погоди(?:те)?|подожди(?:те)?"
    r"|на\sсамом\sделе|subiri|khoan|bekle|aslında|tunggu|sebenarnya)\b"
    r"|等等|等一下|应该是|應該是|其实|其實|待って|実は|잠깐|사실|เดี๋ยว|انتظر|দাঁড়ান|ఆగండి|रुको|रुकिए"
)
_OFFER = (
    r"\b(?:or(?:\selse|\smaybe|\sperhaps|\spossibly|\seven)?|maybe|perhaps|possibly|alternatively|if\snot|else|otherwise"
    r"|and\salso|(?:but\s|or\s)?(?:it\s|that\s)?(?:could|might|may)(?:\salso|\swell)?\sbe"
    r"|oder|vielleicht|möglicherweise|eventuell|beziehungsweise|bzw\.?|ou|peut-être|éventuellement|quizás?|tal\svez"
    r"|a\slo\smejor|posiblemente|puede\sser|oppure|forse|talvez|misschien|wellicht|eller|kanske|lub|albo|może"
    r"|или|может\sбыть|возможно|либо|au|labda|hoặc|hay|có\sthể|có\slẽ|veya|ya\sda|belki|atau|mungkin)\b"
    r"|或者?|也?许|也?可能是?|或許|要么|または|あるいは|もしくは|たぶん|もしかして|또는|혹은|아니면|어쩌면|아마"
    r"|หรือ|อาจ|أو|ربما|বা(?=\s)|অথবা|হয়তো|లేదా|బహుశా|या(?=\s)|शायद"
)
# Between the word and the second value.
_FILL = (
    r"(?:[\s,.:;!…—–、，：*_\"'“‘`(\[{（$-]|\\(?:text|mathrm|mbox|boxed|fbox|[(\[,;: ])"
    r"|\b(?:it['’]s|that['’]s|let['’]s|c['’]est|it|that|this|the|answer|its|is|was|are|be|been|must|should|would|could|might|may|actually|rather|exactly"
    r"|more|like|i|think|believe|guess|mean|meant|say|about|around|even|just|also|equal|to"
    r"|value|total|result|no|wait|make|sorry|es|ist|sind|das|die|antwort|la|réponse|est|son|el|respuesta|è|é|är"
    r"|det|это|ответ|jest|ni|là|adalah)\b"
    r"|是|为|為|应该|應該|答案|它|也|就|会|會|答えは|は|정답은|답은|هي|هو)"
)

# A word and no value: "5. No.", "5. Scratch that."
_WRONG = (
    r"(?:\b(?:but\s)?(?:that|this|it|which|i)(?:['’]s|\sis|\swas|\sam|['’]m)\s(?:wrong|incorrect|false|impossible"
    r"|mistaken|a\smistake|not\s(?:right|correct|it|true|possible|the\sanswer))\b"
    r"|\b(?:scratch\sthat|strike\sthat|never\s?mind|i\stake\s(?:that|it)\sback|just\skidding)\b)"
    r"|\b(?:no|nope|nah|not|nein|non|não|nee|nej|нет)[\s.!]*$|(?:不对|不對|错了|違う|違います|틀렸습니다)[。.!！\s]*$"
)
# Quantifiers are possessive, for linear time.
_SAID = re.compile(
    rf"{_UNIT}{_PAUSE}*+(?:(?:oh|um|uh|ah|well|so|but|und|et|y|{_ASIDE})\b{_PAUSE}*+)?"
    rf"(?:(?P<other>(?:(?:{_STRONG}|{_WEAK}){_PAUSE}*+)++)|(?:{_OFFER}))(?P<sign>(?!))?{_FILL}*+",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    rf"(?P<unit>)(?P<other>(?!))?(?P<sign>[\s*$)\]}}]*+(?:<br\s?/?>|[;；|｜&。，(（\[<])){_FILL}*+"
)
_REFUSED = re.compile(
    rf"{_UNIT}{_PAUSE}++(?:(?:no|nope|oh|wait|hmm+)\b{_PAUSE}++(?!\Z))*+(?:{_WRONG})", re.IGNORECASE
)
_ASKED = re.compile(r"[\s*_\"'`$)\]}(]*[?？]+")
_CONFIRMED = re.compile(
    r"[\s?.!*]*(?:yes|yep|yeah|correct|right|indeed|exactly|sure|ok|ja|oui|sí|sì|sim|да|是的|对|對|はい|네|예)\b",
    re.I,
)
_WORD = re.compile(
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b(?!\s(?:of|more|or)\b)",
    re.IGNORECASE,
)
# What may follow a second value: its unit and the end of what is said.
_ENDS = re.compile(
    r"(?P<unit>(?:\s?(?:\\?[%€£¥°]|\\text\s?\{\s?)?(?!(?:is|are|was|were|would|will|has|have|had|can|could|does|do|did|of|by"
    r"|plus|minus|times|than|each|seems|not|too)\b)[^\W\d_]+){0,2}?)[\s*_\"'”’`$)\]}）】」>]*"
    r"(?:[.,;!?。，；！？…]|\\[)\]]|$|\n|<|\b(?:because|since|as|is\s(?:the|right|correct)|입니다|です|より)|입니다|です)"
)
_SUM = re.compile(r"\s*[-+*/×÷=]\s*\$?\d")
_SENTENCE = re.compile(r"[.!?;。！？；](?:\s|$)|\n")
_LISTED = re.compile(r"\d+(?:, \d+)+,?(?: (?:or|and))? \d+(?!\d|[.,]\d)|\d+(?:, \d+){2,}(?!\d|[.,]\d)")
_LAST_UNIT = re.compile(r"[ .)$*_]*(?:[^\W\d_]+)?[ .)$*_]*")
_OTHER_UNIT = re.compile(r"\d[\d.,]* [^\W\d_]+[ .)]*")
_PERCENT = re.compile(r".{0,2}?\\?%")
_ROUNDED = re.compile(r"-?\d+\.\d{2,}")


# For a quick look before those patterns: what takes back or offers has one of these words or signs.
_SECOND_WORDS = frozenset([
    "actually", "albo", "also", "alternatively", "anzi", "apologies", "aspetta", "atau", "attendez",
    "attends", "au", "back", "bad", "bekle", "belki", "besser", "beziehungsweise", "bukan", "bzw",
    "correctie", "correction", "could", "czekaj", "daha", "desculpe", "digo", "doch", "egentligen",
    "eigenlijk", "eigentlich", "eller", "else", "enfin", "entschuldigung", "erreur", "errore", "espera",
    "espere", "eventuell", "fait", "falsch", "false", "faux", "forse", "hapana", "hay", "hmm", "hmmm",
    "hold", "ich", "if", "ik", "impossible", "incorrect", "je", "kanske", "khoan", "kidding", "korrektur",
    "lo", "lub", "maaf", "make", "may", "maybe", "mean", "meant", "mejor", "might", "mind", "misschien",
    "mistake", "mistaken", "moment", "mungkin", "nah", "nee", "nein", "nej", "nevermind", "no", "non",
    "nope", "not", "oder", "oops", "oppure", "or", "otherwise", "ou", "pardon", "perhaps", "poprawka",
    "posiblemente", "possibly", "precisely", "przepraszam", "puede", "quatsch", "quer", "quiero", "raczej",
    "ralat", "rather", "realidad", "samahani", "scratch", "scusa", "scusate", "scusi", "sebenarnya",
    "second", "sorry", "strike", "subiri", "tal", "guess", "let", "sure",
    "talvez", "tunggu", "verdade", "verzeihung", "veya",
    "vielleicht", "vielmehr", "volevo", "wacht", "wait", "warte", "wellicht", "whoops", "wrong", "xin",
    "ya",
])  # fmt: skip
_NEAR = 72
_SECOND_SIGNS = frozenset("?;|&<([")


def _may_go_on(near: str) -> bool:
    """Whether what stands after a value may take it back or offer another one."""
    if not near.strip(" \t\n*_`$)]}.\"'!,:"):
        return False
    if not near.isascii() or not _SECOND_SIGNS.isdisjoint(near[:24]):
        return True
    return not _SECOND_WORDS.isdisjoint(ASCII_WORD.findall(near.lower()))


def revised(text: str, found: AnswerSpan, hi: int) -> AnswerSpan:
    """The answer a text settles for after `found`, without answer where it offers two or takes it back."""
    for _ in range(_MOST_REVISED):
        stop = hi if hi - found.end < _NEAR else found.end + _NEAR
        if not _may_go_on(text[found.end : stop]):
            return found
        other = _second_thought(text, found, min(hi, found.end + _REACH))
        if other is found or other.answer is None:
            return other
        found = other
    return found


def _second_thought(text: str, found: AnswerSpan, hi: int) -> AnswerSpan:
    asked = _ASKED.match(text, found.end, hi)
    said = _SAID.match(text, found.end, hi) or _BESIDE.match(text, found.end, hi)
    value = _value(text, said, hi, said["unit"] or _currency(text, found.start)) if said else None
    if said and value:
        if _is_same(text, found, value):
            return found
        return value if said["other"] else AnswerSpan(None, found.start, value.end, OFFERED)
    if _REFUSED.match(text, found.end, hi) or (asked and not _CONFIRMED.match(text, asked.end(), hi)):
        return AnswerSpan(None, found.start, asked.end() if asked else found.end)
    return found


def _currency(text: str, at: int) -> str:
    """The sign of a currency that a number begins with."""
    return next((sign for sign in text[max(0, at - 1) : at + 1] if sign in "$€£"), "")


def _value(text: str, said: re.Match[str], hi: int, unit: str) -> AnswerSpan | None:
    """The second value, where that is all that is said; None where it counts something else."""
    at = said.end()
    number = NUMBER.match(text, at, hi) or _WORD.match(text, at, hi)
    if number is None:
        return None
    if said["other"] and _SUM.match(text, number.end(), hi):
        end = _SENTENCE.search(text, number.end(), hi)
        return read_claim(text, at, end.start() if end else hi)
    ends = _ENDS.match(text, number.end(), hi)
    if ends is None or (ends["unit"] and (said["sign"] or not _may_be(unit, ends["unit"]))):
        return None
    word = number_word(text, *number.span()) if number.re is _WORD else None
    value = word[0] if word else canonical(number.group())
    return AnswerSpan(value, *number.span()) if value else None


def _may_be(unit: str, other: str) -> bool:
    """Whether two values may count the same; "5 hours, or 300 minutes" do not."""
    one, two = (part.strip().casefold().rstrip("s") for part in (unit, other))
    return not one or one == two


def is_offered(text: str, lo: int, start: int, hi: int) -> bool:
    """Whether the number at `start` is the second of two that are offered, or stands in a list."""
    begin = max(lo, start - _REACH // 2)
    between = text[begin:start]
    listed = ", " in text[max(lo, start - 9) : min(hi, start + 12)]
    if listed and _LISTED.match(text, start, hi):
        return True
    if not listed and not _may_go_on(between):
        return False
    before = last_match(NUMBER, text, begin, start)
    value = canonical(before.group()) if before else None
    if before is None or value is None:
        return False
    offer = _second_thought(text, AnswerSpan(value, *before.span()), hi).member == OFFERED
    return offer or (listed and _LISTED.match(text, before.start(), hi) is not None)


def same_twice(text: str, lo: int, hi: int) -> AnswerSpan | None:
    """The value of text[lo:hi] where that is one, written in two ways: "1/2, or 0.5"; else None."""
    number = NUMBER.search(text, lo, hi)
    value = canonical(number.group()) if number else None
    if number is None or value is None or text[lo : number.start()].strip(" $*_("):
        return None
    found = AnswerSpan(value, *number.span())
    said = _SAID.match(text, found.end, hi)
    if said and not said["other"] and said["unit"] and _OTHER_UNIT.fullmatch(text, said.end(), hi):
        return found if _value(text, said, hi, said["unit"]) is None else None
    other = _value(text, said, hi, said["unit"]) if said and not said["other"] else None
    if other is None or not _LAST_UNIT.fullmatch(text, other.end, hi) or not _is_same(text, found, other):
        return None
    return found


def _is_same(text: str, found: AnswerSpan, value: AnswerSpan) -> bool:
    """Whether two values are one, written in two ways: 1/2 and 0.5, 2/3 and 0.667, 50% and 0.5."""
    answer, other = found.answer, value.answer
    if answer == other:
        return True
    if answer is None or other is None:
        return False
    try:
        exact, second = map(Fraction, _with_less_power(answer, other))
    except (ValueError, ZeroDivisionError):
        return _ROUNDED.fullmatch(other) is not None and canonical(answer) is None
    if _PERCENT.match(text, found.end - 2) and exact == 100 * second:
        return True
    if _PERCENT.match(text, value.end - 2) and second == 100 * exact:
        return True
    places = len(other.partition(".")[2])
    return places > 1 and abs(exact - second) * 10**places < 1


def _with_less_power(*numbers: str) -> list[str]:
    """Canonical numbers with powers of ten that can be computed with, as far apart as before or too far.

    "1e999999999" has more digits than fit in memory.
    """
    parts = [(digits, int(power or 0)) for digits, _, power in (number.partition("e") for number in numbers)]
    if all(abs(power) <= _MOST_POWER for _, power in parts):
        return list(numbers)
    less = max(0, min(abs(power) for _, power in parts) - _MOST_POWER)
    reach = [(digits, power, min(abs(power) - less, _MOST_POWER + 5)) for digits, power in parts]
    return [f"{digits}e{size if power > 0 else -size}" if power else digits for digits, power, size in reach]
