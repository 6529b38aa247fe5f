"""Numbers as people and models write them, read exactly.

`canonical(text)` gives one string for each value: "18", "-0.5", "2/3", "1e400". Comparing these
needs no arithmetic, and neither a float nor a large integer is ever built. Only where a decimal has
more than 15 digits are there two strings: it may be the print of a float, the fraction that equals it
never is, so each stays what it is, and `equal` knows both. Time is linear in the length of the text.
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import gcd

# Digits that a fraction may have above and below the line: beyond that it stays text.
_FRACTION_DIGITS = 300
# The most digits that are written out; a longer number is written "<digits>e<exponent>".
_POSITIONAL = 1000
# Digits that a binary64 prints at most exactly; a longer decimal is the print of a float.
_FLOAT_DIGITS = 15
# Digits of the longest decimal that counts as one: a binary64 needs 17, some languages print more.
_PRINTED_DIGITS = 20

_SPACE = "\u00a0\u2009\u202f\u2007"
_SEPARATOR = rf"(?:[.,'’_٬٫{_SPACE}]|\{{,\}}|,?\\[,!;: ],? ?)"
_CORE = rf"(?:\d{{1,3}}(?:[ {_SPACE}]\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+(?:{_SEPARATOR}\d+)*|\.\d+)"
_SIGN = r"[-+−–﹣－]"
_CURRENCY = r"(?:\\?[$＄]|[€£¥￥₹₽₩]|US\$|USD ?|Rs\.? ?)"
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_POWER = (
    r"(?:[eE][-+−]?\d+(?![A-Za-z0-9])|\s*(?:[x×*]|\\times|\\cdot)\s*10\s*\^\s*\{?\s*[-+−]?\d+\s*\}?"
    r"|\s(?:thousand|million|billion|trillion)\b)"
)
_LATEX = r"\\[dtc]?frac\s*(?:\{\s*-?\d+\s*\}\s*\{\s*\d+\s*\}|\d\s*\d|\s\d\s*\{\d+\}|\{\d+\}\s*\d)"
_VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"

# One number with its sign and currency. It never starts inside a word, an index or a power. What it may
# start with comes first, for speed.
NUMBER = re.compile(
    rf"(?=[\d.\s\\$＄€£¥￥₹₽₩UR{_VULGAR}+−–﹣－-])(?<![A-Za-z0-9^])(?<![A-Za-z0-9}}]_)(?:(?<![\w)\]}}%]){_SIGN})?(?:{_CURRENCY}\s?)?(?:(?<=[$€£¥]){_SIGN})?"
    rf"(?:(?:\d+\s*)?{_LATEX}|\d*\s?[{_VULGAR}]"
    rf"|\d+(?:\s+|-)\d+\s?/\s?\d+(?![\d./])|{_CORE}(?:\s?/\s?{_CORE}(?!\s?/))?{_POWER}?)(?:\s?\\?[%％])?"
)
_DIGIT_RUN = re.compile(r"\d+")
_GROUPED = re.compile(
    rf"(?:\d{{1,3}}(?:,\d{{3}})+|\d{{1,3}}(?:['’_٬{_SPACE} ]\d{{3}})+|\d{{1,2}}(?:,\d{{2}})+,\d{{3}})"
    r"(?:[.٫]\d+)?"
)
_EUROPEAN = re.compile(
    rf"\d{{1,3}}(?:(?:\.\d{{3}})+|(?:[{_SPACE} '’]\d{{3}})+),\d+|\d{{1,3}}(?:\.\d{{3}}){{2,}}"
)
_PARTS = re.compile(
    rf"(?P<sign>{_SIGN}?)\s*(?:{_CURRENCY}\s?)?(?P<sign2>{_SIGN}?)\s*"
    rf"(?:(?P<whole>\d+)(?:\s+|\s*-\s*)?)?(?:(?P<latex>{_LATEX})|(?P<vulgar>[{_VULGAR}])"
    r"|(?P<top>(?<=[\s-])\d+)\s?/\s?(?P<bottom>\d+))(?:\s?\\?[%％])?"
)
_PLAIN = re.compile(
    rf"(?P<sign>{_SIGN}?)\s*(?:{_CURRENCY}\s?)?(?P<sign2>{_SIGN}?)\s*(?P<core>{_CORE})"
    rf"(?:\s?/\s?(?P<under>{_SIGN}?{_CORE}))?(?P<power>{_POWER})?(?:\s?\\?[%％])?"
)
_VALUES = dict(
    zip(
        _VULGAR,
        [
            "1/2",
            "1/3",
            "2/3",
            "1/4",
            "3/4",
            "1/5",
            "2/5",
            "3/5",
            "4/5",
            "1/6",
            "5/6",
            "1/8",
            "3/8",
            "5/8",
            "7/8",
        ],
        strict=True,
    )
)
_SIMPLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{0,17}[1-9])?")


def canonical(text: str, decimal_comma: bool = False) -> str | None:
    """The number that the whole text is, as its unique string; None where the text is no number.

    `decimal_comma` settles the one reading that is open without it: whether "1.500" is 1500.
    """
    if _SIMPLE.fullmatch(text) and text != "-0":
        return text
    text = text.strip()
    match = _PLAIN.fullmatch(text)
    if match:
        negative = _negative(match["sign"], match["sign2"])
        if match["under"] is not None:
            return _ratio(match["core"], match["under"], negative, match["power"])
        core = plain_decimal(match["core"], decimal_comma)
        return None if core is None else _decimal(core, negative, _exponent(match["power"]))
    match = _PARTS.fullmatch(text)
    if match:
        return _mixed(match)
    return None


def plain_decimal(core: str, decimal_comma: bool = False) -> str | None:
    """Digits: "1,234.50" as 1234.50; None where the separators make no number ("1,1,1", "1.2.3")."""
    if core.isascii() and core.isdigit():
        return core
    core = re.sub(r"\{,\}|,?\\[,!;: ],? ?", ",", core)
    core = "".join(str(int(c)) if c.isdigit() and c not in "0123456789" else c for c in core)
    if decimal_comma and re.fullmatch(r"\d{1,3}(?:\.\d{3})+", core) and not core.startswith("0"):
        return core.replace(".", "")
    if _GROUPED.fullmatch(core) and not core.startswith("0,"):
        head, _, tail = core.replace("٫", ".").partition(".")
        return "".join(_DIGIT_RUN.findall(head)) + ("." + tail if tail else "")
    if _EUROPEAN.fullmatch(core):
        head, _, tail = core.partition(",")
        return "".join(_DIGIT_RUN.findall(head)) + ("." + tail if tail else "")
    if re.fullmatch(r"\d*\.\d+|\d+", core):
        return core
    if re.fullmatch(r"\d+[,٫]\d+", core):
        return core.replace(",", ".").replace("٫", ".")
    return None


def equal(one: str, other: str) -> bool:
    """Whether two canonical strings are the same value, a long decimal and a fraction included."""
    if one == other:
        return True
    fraction, decimal = (one, other) if "/" in one else (other, one)
    return "/" in fraction and "." in decimal and Fraction(fraction) == Fraction(decimal)


def is_float_print_of(number: str, gold: str) -> bool:
    """Whether a canonical decimal is what a program prints of the gold, a canonical number.

    It has 16 to 20 significant digits, and the gold, a fraction or a number of at most 15, is no further
    from it than half a unit of its 15th: so many digits every binary64 keeps (IEEE 754).
    """
    if "." not in number or set("/e") & set(number) or "e" in gold:
        return False
    if "/" not in gold and len(gold.replace(".", "").strip("-0")) > _FLOAT_DIGITS:
        return False
    part = len(number) - number.index(".") - 1
    digits = len(number.replace(".", "").lstrip("-0"))
    if not _FLOAT_DIGITS < digits <= _PRINTED_DIGITS:
        return False
    unit = Fraction(10) ** (digits - _FLOAT_DIGITS - part)
    return 2 * abs(Fraction(number) - Fraction(gold)) <= unit


def _negative(*signs: str) -> bool:
    return sum(sign not in ("", "+") for sign in signs) % 2 == 1


def _exponent(power: str | None) -> int | None:
    """The exponent of "e3" or "x 10^3"; None where it is too long to be meant."""
    if not power:
        return 0
    scale = _SCALES.get(power.strip())
    if scale is not None:
        return scale
    power = power.replace("−", "-")
    digits = re.findall(r"-?\d+", power)[-1]
    return int(digits) if len(digits) < 19 else None


def _decimal(core: str, negative: bool, exponent: int | None) -> str | None:
    """Digits with at most one point, and a power of ten, as the unique string of the value."""
    if exponent is None:
        return None
    whole, _, part = core.partition(".")
    digits = (whole + part).lstrip("0")
    exponent -= len(part)
    stripped = digits.rstrip("0")
    exponent += len(digits) - len(stripped)
    if not stripped:
        return "0"
    sign = "-" if negative else ""
    if exponent >= 0 and len(stripped) + exponent <= _POSITIONAL:
        return sign + stripped + "0" * exponent
    if exponent < 0 and max(len(stripped), -exponent) <= _POSITIONAL:
        stripped = stripped.rjust(1 - exponent, "0")
        return f"{sign}{stripped[:exponent]}.{stripped[exponent:]}"
    return f"{sign}{stripped}e{exponent}"


def _ratio(top: str, bottom: str, negative: bool, power: str | None) -> str | None:
    """The fraction of two decimals, or None (a zero below, or too long to be reduced)."""
    if power:
        return None
    over, under = plain_decimal(top), plain_decimal(bottom.lstrip("-+−–﹣－"))
    if over is None or under is None or len(over) > _FRACTION_DIGITS or len(under) > _FRACTION_DIGITS:
        return None
    shift = max(len(over.partition(".")[2]), len(under.partition(".")[2]))
    negative ^= bottom[0] in "-−–﹣－"
    return _fraction(_scaled(over, shift), _scaled(under, shift), negative)


def _scaled(decimal: str, shift: int) -> int:
    whole, _, part = decimal.partition(".")
    return int((whole + part.ljust(shift, "0")) or "0")


def _fraction(top: int, bottom: int, negative: bool) -> str | None:
    """Top / bottom in lowest terms, as a decimal where it ends within the digits of a float; None if long."""
    if bottom == 0:
        return None
    shared = gcd(top, bottom)
    top, bottom = top // shared, bottom // shared
    rest, twos, fives = bottom, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest == 1:
        places = max(twos, fives)
        digits = str(top * 10**places // bottom)
        if bottom == 1 or len(digits) <= _FLOAT_DIGITS:
            return _decimal(digits, negative, -places)
    if max(len(str(top)), len(str(bottom))) > _FRACTION_DIGITS:
        return None
    return f"{'-' if negative else ''}{top}/{bottom}"


def _mixed(match: re.Match[str]) -> str | None:
    r"""Mixed numbers and fractions: 2 1/2, 2\frac{1}{2}, \frac34, ½."""
    if match["latex"]:
        digits = re.findall(r"-?\d+", match["latex"])
        if len(digits) == 1:
            digits = list(digits[0])
        top, bottom = digits
    elif match["vulgar"]:
        top, bottom = _VALUES[match["vulgar"]].split("/")
    else:
        top, bottom = match["top"], match["bottom"]
    whole = match["whole"] or "0"
    if max(len(top), len(bottom), len(whole)) > _FRACTION_DIGITS:
        return None
    negative = _negative(match["sign"], match["sign2"])
    over, under = int(top), int(bottom)
    if over < 0:
        over, negative = -over, not negative
    return _fraction(int(whole) * under + over, under, negative)
