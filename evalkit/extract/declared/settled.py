r"""Readers that heed what is said around the answer that they find, in the rules' third version.

An answer that is denied or doubted before it is read ("not \\boxed{5}", "I doubt that the answer is 5") is
passed over, and what is said right after one may take it back (`revised`).
"""

from __future__ import annotations

import re

from evalkit.extract.answer_span import AnswerSpan, Reader
from evalkit.extract.declared.denied import is_denied
from evalkit.extract.declared.revised import OFFERED, revised
from evalkit.extract.declared.words import ASCII_WORD

_BEFORE = 100
_LONGEST_BOX = 24
_MOST_PASSED = 3

# What says that the value after it is not meant, with nothing but words that lead up to it between.
_DOUBTED = re.compile(
    r"(?:\b(?:(?<!no )(?<!any )(?<!beyond )(?<!without )(?<!n't )(?<!not )"
    r"(?:doubt(?:s|ed)?|doubtful|unlikely)"
    r"|(?:no\sway|no\sone|nobody|(?:some|many)(?:\speople)?\s(?:would|might|may|will)|refuse\sto|am\snot|['’]m\snot|not)"
    r"\s(?:would\s|will\s)?(?:say(?:ing)?|think(?:ing)?|believe|convinced|claim(?:ing)?|certain)|no\sway|den(?:y|ies)"
    r"|disagree|opposite\sof|mistake\s(?:is\s)?to\s(?:think|say|assume|believe|claim)|(?:wrongly|mistakenly)\s\w{3,9}"
    r"|(?:wrong|incorrect|false|mistaken)(?=\s(?:final\s)?(?:answer|result|value)\s)|hardly|far\s(?:away\s)?from|nowhere\snear"
    r"|(?:do|does|did|can|could|would)(?:n['’]t|\snot|not)\s(?:really\s|actually\s)?"
    r"(?:think|believe|say|see\s(?:how|why)|claim|mean)"
    r"|(?:not|false|wrong|impossible|incorrect)\s(?:true\s|correct\s|right\s|the\scase\s|possible\s|likely\s|clear\s|to\s"
    r"|sure\s)?(?:that|if|whether|say)"
    r"|suppos(?:e|ing)|assum(?:e|ing)|if|unless|whether|pretend|imagine"
    r"|bezweifle|unwahrscheinlich|weit\s(?:entfernt\s)?von|falls|wenn|glaube\snicht|doute|loin\sde|ne\scrois\spas|dudo"
    r"|lejos\sde|no\screo|dubito|lontano\sda|non\scredo|duvido|longe\sde|não\sacho|сомневаюсь|вряд\sли|далеко\sот"
    r"|не\sдумаю)\b"
    r"(?:[ \t*_\"'“‘$(\[{]|\b(?:that|if|whether|it|this|the|its|my|our|your|final|correct|right|real|true"
    r"|answer|result|say|value|total|is|was|be|would|could|can|will|has|have|to|being|equals?|really|there|are|she|he|they|we|you"
    r"|dass|die|das|antwort|ist|es|que|la|le|réponse|est|soit|sea|respuesta|risposta|sia|resposta|seja|che|что|ответ"
    r"|n['’]t|daran|ob|é|è|,\sdass|,\sчто)\b|, (?=dass|что))*"
    r"|怀疑(?:答案)?[是为]?\s?|远非\s?|如果答案[是为]\s?|不认为(?:答案)?[是为]\s?)$",
    re.IGNORECASE,
)
# For a quick look before that pattern: the last words of doubts, and the words that lead from one to a value.
_DOUBTING = frozenset([
    "acho", "assume", "assuming", "believe", "bezweifle", "certain", "claim", "claiming", "convinced",
    "credo", "creo", "da", "de", "denies", "deny", "disagree", "doubt", "doubted", "doubtful", "doubts",
    "doute", "dubito", "dudo", "duvido", "false", "falls", "from", "hardly", "how", "if", "imagine",
    "incorrect", "mean", "mistaken", "near", "nicht", "of", "pas", "pretend", "say", "saying",
    "suppose", "supposing", "that", "think", "thinking", "unless", "unlikely", "unwahrscheinlich",
    "von", "way", "wenn", "whether", "why", "wrong",
])  # fmt: skip
_LEADING = frozenset([
    "answer", "antwort", "are", "be", "being", "can", "che", "correct", "could", "daran", "das", "dass",
    "die", "equal", "equals", "es", "est", "final", "has", "have", "he", "is", "ist", "it", "its", "la",
    "le", "my", "n", "ob", "our", "ponse", "que", "r", "real", "really", "respuesta", "resposta",
    "result", "right", "risposta", "sea", "seja", "she", "sia", "soit", "t", "the", "there", "they",
    "this", "to", "total", "true", "value", "was", "we", "will", "would", "you", "your",
])  # fmt: skip
_SIGNS_BEYOND_ASCII = (
    "oubt", "n't", "n’t", "ot ", "from", "near", "ikely", "ardly", "alse", "rong", "way", "body",
    "no one", "efuse", "eny", "agree", "posite", "istake", "ome ", "any ", "mpossible", "ncorrect", "uppos",
    "ssum", "f ", "nless", "hether", "etend", "magine", "zweif", "einlich", "eit", "alls", "enn",
    "icht", "oute", "oin", "crois", "udo", "ejos", "creo", "ubito", "ontano", "credo", "uvido", "onge",
    "acho", "омнев", "ряд", "алеко", "умаю", "疑", "远", "如果", "认为",
)  # fmt: skip


def settled(
    text: str, lo: int, hi: int, read: Reader, rest: Reader | None = None, follow: bool = True
) -> AnswerSpan | None:
    """What `read` finds and the text holds to; what was taken back gives way to what `rest` finds after it.

    Where `follow` is False the value that takes its place is none, as for a box.
    """
    found = read(text, lo, hi)
    for _ in range(_MOST_PASSED):
        if found is None or found.answer is None:
            return found
        begin = passed_over(text, lo, found, hi)
        if begin is None:
            return _held(text, found, hi, rest, follow)
        earlier = read(text, lo, begin)
        if earlier is None and rest is not None:
            return _after(text, found, hi, rest)
        found = earlier
    return None if found is None else AnswerSpan(None, found.start, found.end)


def _held(text: str, found: AnswerSpan, hi: int, rest: Reader | None, follow: bool) -> AnswerSpan | None:
    """What is held to after an answer is found."""
    held = revised(text, found, hi)
    if held is found:
        return found
    if held.answer is None and held.member != OFFERED and rest is not None:
        return _after(text, found, hi, rest)
    return held._replace(member=found.member) if follow else held._replace(answer=None, member="")


def _after(text: str, found: AnswerSpan, hi: int, rest: Reader) -> AnswerSpan | None:
    later = rest(text, found.end, hi)
    return later and later._replace(member="unmarked" if found.member else "")


def passed_over(text: str, lo: int, found: AnswerSpan, hi: int) -> int | None:
    """Where that begins which denies an answer, or calls it in doubt; None where nothing does."""
    begin = lo if found.start - lo < _BEFORE else found.start - _BEFORE
    before = text[begin : found.start]
    box = _box_before(before)
    if box is not None:
        before = before[:box]
        if is_denied(text, lo, begin + box, found.end, hi):
            return begin + box
    doubt = doubt_before(before)
    return None if doubt is None else begin + doubt


def doubt_before(before: str) -> int | None:
    """Where the sentence begins that ends in a doubt of what follows, as "I doubt that the answer is"."""
    stripped = before.rstrip(" \t*_\"'“‘$([{")
    if not stripped or not (stripped[-1].isalpha() and _may_doubt(before)):
        return None
    doubt = _DOUBTED.search(before)
    if doubt is None:
        return None
    return max(before.rfind(mark, 0, doubt.start()) for mark in ".!?\n。") + 1


def _may_doubt(before: str) -> bool:
    """Whether the last words may be a doubt and what leads from it to a value."""
    if not before.isascii():
        return any(sign in before for sign in _SIGNS_BEYOND_ASCII)
    lower = before.lower()
    for word in reversed(ASCII_WORD.findall(lower)):
        if word in _DOUBTING:
            return True
        if word not in _LEADING:
            return "wrongly" in lower or "mistakenly" in lower
    return False


def _box_before(before: str) -> int | None:
    """Where the command begins that opens the box which what follows is the content of."""
    at = before.rfind("ox", max(0, len(before) - _LONGEST_BOX))
    if at < 0 or before[at + 2 :].strip("ed{ \t\n$\\("):
        return None
    while at > 0 and before[at - 1] in "\\bfo\b\f":
        at -= 1
    return at
