"""English number words: "two hundred fifty" -> 250. Only read where no digit stands."""

from __future__ import annotations

import re

from evalkit.extract.numbers import NUMBER, canonical

ASCII_WORD = re.compile(r"[a-z]+")
"""For quick looks at the words of a text in small letters."""
# In each word that offers a second value ("or", "oder", "maybe") is one of these.
_OFFERING = ("or", "ode", "ou", "els", "may", "perh", "possib", "altern")
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TEN = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS = {word: value for value, word in enumerate(_SMALL.split())}
_TENS = {word: 10 * value for value, word in enumerate(_TEN.split(), 2)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_WORD = "|".join((*_UNITS, *_TENS, *_SCALES))
_NUMBER = re.compile(rf"\b(?:{_WORD})(?:(?:\s+and)?[\s-]+(?:{_WORD})){{0,12}}\b", re.IGNORECASE)


def number_word(text: str, lo: int, hi: int) -> tuple[str, int, int] | None:
    """The first number in words in text[lo:hi], as digits, with its span; a lone "one" is none."""
    for match in _NUMBER.finditer(text, lo, hi):
        words = re.split(r"[\s-]+", match.group().lower())
        if words != ["one"] or match.span() == (lo, hi):
            return str(_value(words)), match.start(), match.end()
    return None


def _value(words: list[str]) -> int:
    total = part = 0
    for word in words:
        if word in _SCALES:
            scale = _SCALES[word]
            if scale == 100:
                part = (part or 1) * scale
            else:
                total, part = total + (part or 1) * scale, 0
        else:
            part += _UNITS.get(word, 0) + _TENS.get(word, 0)
    return total + part


def may_offer(near: str) -> bool:
    """Whether a word may stand in a text that offers a second value: a quick look."""
    return not near.isascii() or any(word in near.lower() for word in _OFFERING)


def one_value(offer: str) -> bool:
    """Whether both sides of an offer are one value: "5 apples, or five apples"."""
    one, _, other = offer.casefold().partition(" or ")
    values = {_value_of(one), _value_of(other)}
    return len(values) == 1 and None not in values


def _value_of(side: str) -> str | None:
    number = NUMBER.search(side)
    word = number_word(side, 0, len(side)) if number is None else None
    return canonical(number.group()) if number else word and word[0]
