r"""Rule `choice`, from its second version on: the letter that a text declares, of those that are offered.

Letters that stand alone are looked at from the last one back; what is written before and after one says
whether it is declared. Three grades: an answer word or mark ("Answer: C", \boxed{C}, <answer>, ####), a
verdict on it ("C is correct", "so it must be C"), a letter that heads the text or stands alone on a line.
A better grade beats a later letter; within a grade the last one counts. A remark on another option
("Option A is incorrect", "not B") declares nothing, and two letters at once are a hedge: no answer.
"""

from __future__ import annotations

import re
from collections import deque

from evalkit.extract.answer_span import AnswerSpan, last_match
from evalkit.extract.boxed import read_boxed
from evalkit.extract.choice.context import (
    LEADING_SIGNS,
    NEGATED,
    SECOND,
    SET_AS_TEXT,
    THIRD,
    WRAPPERS,
    Signs,
)
from evalkit.extract.choice.doubt import in_doubt, is_supposed
from evalkit.extract.choice.instead import claimed_instead
from evalkit.extract.declared.settled import doubt_before, passed_over

_WIDE = {0xFF21 + i: chr(65 + i) for i in range(26)}
_JUDGED = frozenset(" )]}*_\"'”’$）】选項项是正が가이번はも")
_MOST_LETTERS = 200
_BEFORE = 110
_AFTER = 60

# The last of several before a verdict on all of them: "A and B are right".
_SECOND = re.compile(r"(?:[A-Z]\)?,?\s+(?:and|or)|[A-Z]\)?,)\s*[(*]*$")
# A capital that is a word: "A person", "I think".
_WORD = re.compile(
    r"\s+(?!(?:because|since|as|due|which|where|given|is|was|with|for|and|or|but|not|from|based|by|only|seems|would)\b)[a-zà-ÿ]"
)
_FORMULA = re.compile(r"\s*(?:[=+^]|_[\d{]|\*(?!\*)\s*\w)|\s+[-−]\s+[\w(]|\(\w\)|\(\w,")
_CORRECTION = re.compile(
    r"\b(?:wait|actually|correction|sorry|instead|no,|mistake|hmm|re-?check|reconsider)", re.IGNORECASE
)
_BOXED = re.compile(
    r"[\s({\[$\\*]*(?:(?:text\w*|math\w*|bf|rm|boldsymbol)\s*\{?[\s({]*)*(?:(?:option|choice|answer|Option|Choice|Answer)[\s:]+)?[\s({]*(?P<letter>[A-Za-zＡ-Ｚ])(?![A-Za-z0-9'’])"
)
_OPTION = re.compile(r"(?:^|[\n\s])[(（]?(?P<letter>[A-Z])[).）:]\s")
_ALONE = re.compile(r"\n[ \t*_(（\[>#]{0,8}(?P<letter>[A-ZＡ-Ｚ])[*_)）\].,。 \t]{0,8}(?=\n)")
# The usual end of a reply, read at once; with a word of doubt before it all of the text is looked at.
_PLAIN = re.compile(
    r"[Aa](?:nswer|NSWER)(?:\sis|:|\sIS)[:\s]?\s?\*{0,2}:?\s?[(*]{0,3}(?P<letter>[A-Z])[)*]{0,3}\.?\s*\Z"
)
_BOX_LAST = re.compile(r"\\boxed\{(?:\\text(?:bf)?\{)?\(?(?P<letter>[A-Z])\)?\}{1,2}[$.\s]{0,4}\Z")
_MOST_PASSED = 3
_TAIL = 2000
_SHORT = 64
_LONGEST_BOX = 400


def read_letter(text: str, lo: int, hi: int, options: int = 26, signs: Signs = THIRD) -> AnswerSpan | None:
    """The declared letter; a AnswerSpan without answer where several are declared, or a box is not closed."""
    last = chr(ord("A") + min(max(options, 1), 26) - 1)
    tail = text[max(lo, hi - 48) : hi]
    plain = _PLAIN.search(tail) if "nswer" in tail or "NSWER" in tail else None
    if plain and plain["letter"] <= last and not in_doubt(text, lo, hi, signs is THIRD):
        at = max(lo, hi - 48) + plain.start("letter")
        return AnswerSpan(plain["letter"], at, at + 1)
    only = signs.only.fullmatch(text, lo, hi) if hi - lo < _SHORT else None
    if only:
        return _within(_letter(only["letter"]), only.start("letter"), last)
    box = _BOX_LAST.search(text[max(lo, hi - 40) : hi]) if "}" in text[max(lo, hi - 6) : hi] else None
    if box and box["letter"] <= last and (signs is SECOND or not in_doubt(text, lo, hi, True)):
        at = max(lo, hi - 40) + box.start("letter")
        return AnswerSpan(box["letter"], at, at + 1)
    # No more than the tail can hold: a million objects would have the garbage collector look at all of them.
    found = signs.letters[text.isascii()].finditer(text, lo, hi)
    letters = list(found if hi - lo <= _TAIL else deque(found, maxlen=_TAIL))
    declared = _Declared(text, lo, hi, last, signs).last(letters) if letters else None
    boxed = _in_box(text, lo, hi, last, signs) if "box" in text else None
    if boxed is not None and _beats(boxed, declared):
        return boxed._replace(member="")
    if declared is not None:
        return declared._replace(member="")
    return _standing(text, lo, hi, last, signs, letters) if letters else None


def read_letter_as_second(text: str, lo: int, hi: int, options: int = 26) -> AnswerSpan | None:
    """As `read_letter`, in the rule's second version."""
    return read_letter(text, lo, hi, options, SECOND)


def _beats(boxed: AnswerSpan, declared: AnswerSpan | None) -> bool:
    """Whether a box counts: without a declaration, or with a letter after it or beside a mere verdict."""
    if declared is None:
        return True
    later = declared.start < boxed.start or declared.member == "verdict"
    return later and (boxed.answer is not None or boxed.start == boxed.end)


def _in_box(text: str, lo: int, hi: int, last: str, signs: Signs) -> AnswerSpan | None:
    """The letter of the last box; without answer where it holds none, or more than one."""
    box = read_boxed(text, lo, hi, _content)
    for _ in range(_MOST_PASSED):
        if box is None or box.answer is None:
            return box
        begin = passed_over(text, lo, box, hi) if signs is THIRD else None
        if begin is None:
            return _letter_in(box, last, signs)
        box = read_boxed(text, lo, begin, _content)
    return box and AnswerSpan(None, box.start, box.end)


def _letter_in(box: AnswerSpan, last: str, signs: Signs) -> AnswerSpan:
    """The letter that a box begins with, if that is all it claims."""
    content = box.answer or ""
    match = _BOXED.match(content)
    if (
        match is None
        or signs.several.match(content, match.end())
        or _is_word(content, match.end(), match["letter"])
    ):
        return AnswerSpan(None, box.start, box.end)
    return _within(_letter(match["letter"]), box.start + match.start("letter"), last) or AnswerSpan(
        None, box.start, box.end
    )


def _content(text: str, lo: int, hi: int, decimal_comma: bool) -> AnswerSpan:
    return AnswerSpan(text[lo : min(hi, lo + _LONGEST_BOX)], lo, hi)


class _Declared:
    """The letters of one text, and what is written around each."""

    def __init__(self, text: str, lo: int, hi: int, last: str, signs: Signs) -> None:
        self.text, self.lo, self.hi, self.highest, self.signs = text, lo, hi, last, signs
        self.begin = lo
        self.stems: tuple[str, ...] | None = None

    def last(self, letters: list[re.Match[str]]) -> AnswerSpan | None:
        """The last letter that an answer word announces, else the last one that is judged right."""
        text, verdict = self.text, None
        self.begin = max(self.lo, letters[-_MOST_LETTERS:][0].start() - _BEFORE)
        for match in letters[: -_MOST_LETTERS - 1 : -1]:
            at = match.end() - 1
            if (
                text[at] in "AI"
                and text[at - 1 : at] not in ("(", "[")
                and _WORD.match(text, at + 1, self.hi)
            ):
                continue  # an article, a pronoun
            letter = _letter(text[at])
            if letter > self.highest:
                continue
            grade = self.grade(at)
            if grade in ("several", "announced"):
                if verdict and _corrected(text, at, verdict.start):
                    return verdict
                return AnswerSpan(None, at, at) if grade == "several" else AnswerSpan(letter, at, at + 1)
            if grade == "verdict" and verdict is None:
                verdict = AnswerSpan(letter, at, at + 1, "verdict")
        return verdict

    def grade(self, at: int) -> str:
        """How a letter is declared: "announced", "verdict", with another one "several", or not ("")."""
        text, signs, end = self.text, self.signs, at + 1
        before = text[max(self.lo, at - _BEFORE) : at]
        after = text[end : min(self.hi, end + _AFTER)]
        head = before.rstrip(WRAPPERS)
        while head.endswith(SET_AS_TEXT):
            head = head[: max(head.rfind("\\"), head.rfind("<"))].rstrip(WRAPPERS)
        bracketed = before.endswith(("(", "（", "[")) and after[:1] in (")", "）", "]")
        leads = self.leads(head)
        judged = signs.verdict_after.match(after) if bracketed or after[:1] in _JUDGED else None
        if not (leads or judged or bracketed) or signs.dismissed.match(after):
            return ""
        if leads and signs is THIRD and claimed_instead(head) and signs.ends.match(after):
            return "several" if signs.several.match(after) else "announced"
        announced = self.announced(head, signs.announced) if leads else None
        if announced is None and (bracketed or head.endswith((" option", " choice"))):
            announced = self.announced(head, signs.announced_far)
        if (
            announced is None
            and not judged
            and not (leads and signs.ends.match(after) and signs.verdict_before.search(head))
        ):
            return ""
        if signs is THIRD and doubt_before(head) is not None:
            return ""
        plainly = announced is not None and announced.re is signs.announced and head.isascii()
        if not plainly and NEGATED.search(
            head, max(0, len(head) - 40)
        ):  # no negation is within an announcement
            return ""
        if announced is not None:
            if is_supposed(head, announced.start()) or (not bracketed and _FORMULA.match(after)):
                return ""
            return "several" if signs.several.match(after) else "announced"
        if is_supposed(head, len(head)):
            return ""
        if judged and _SECOND.search(before):
            return "several"
        return "several" if signs.several.match(after) else "verdict"

    def announced(self, head: str, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What announces a letter, from its answer word to the end of `head`."""
        if self.stems is None:  # those that stand before any of the letters
            stems, around = self.signs.stems[self.text.isascii()], self.text[self.begin : self.hi]
            self.stems = tuple([stem for stem in stems if stem in around])
        for stem in self.stems:
            at = head.rfind(stem)
            if at >= 0 and (found := pattern.match(head, at)):
                return found
        return None

    def leads(self, head: str) -> bool:
        """Whether the last word or sign before a letter is one that leads up to it: a quick look first."""
        if not head:
            return False
        if head[-1] in LEADING_SIGNS or not head[-1].isascii():
            return True
        return head[max(head.rfind(" "), head.rfind("\n")) + 1 :].lower() in self.signs.leading


def _corrected(text: str, start: int, end: int) -> bool:
    """Whether a word of correction stands between a declaration and the verdict after it."""
    return _CORRECTION.search(text, max(start, end - 200), end) is not None


def _standing(
    text: str, lo: int, hi: int, last: str, signs: Signs, letters: list[re.Match[str]]
) -> AnswerSpan | None:
    """The letter that stands alone on the last such line, else the one that heads the text."""
    start = max(lo, hi - _TAIL)
    alone = None
    if any(_ends_line(text, match.end(), hi) for match in letters):
        alone = last_match(_ALONE, "\n" + text[start:hi] + "\n", 0, hi - start + 2)
    if alone is not None:
        return _within(_letter(alone["letter"]), alone.start("letter") + start - 1, last)
    head = signs.head.match(text, lo, hi)
    if head is None or not head.lastgroup:
        return None
    letter = _letter(head[head.lastgroup])
    others = {match["letter"] for match in _OPTION.finditer(text, lo, min(hi, lo + _TAIL))} - {letter}
    if (
        others
        or signs.several.match(text, head.end(head.lastgroup), hi)
        or (letter == "I" and head.lastgroup == "plain")
    ):
        return None
    return _within(letter, head.start(head.lastgroup), last)


def _ends_line(text: str, at: int, hi: int) -> bool:
    """Whether nothing but marks stands after a letter on its line."""
    return text[at : min(hi, at + 9)].lstrip("*_)）].,。 \t")[:1] in ("", "\n")


def _is_word(text: str, at: int, letter: str) -> bool:
    """Whether a capital that stands alone is an article or a pronoun."""
    return letter in "AIa" and _WORD.match(text, at) is not None


def _letter(text: str) -> str:
    return text.translate(_WIDE).upper()


def _within(letter: str, at: int, last: str) -> AnswerSpan | None:
    return AnswerSpan(letter, at, at + 1) if letter <= last else None
