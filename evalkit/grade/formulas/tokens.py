r"""Cut LaTeX or plain math into tokens, in linear time: the first step of `parse`.

What only spaces, sizes or colours is dropped; spellings of one sign (`\ge`, `\geq`, `>=`, `≥`) become
one token. A word is a run of letters that is no product of symbols: a unit, a label, prose.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# What the signs of a formula mean: the kind and the one spelling of the token of each.
RELATIONS = {
    "==": "=", "=<": "<=", "≤": "<=", "⩽": "<=", r"\le": "<=", r"\leq": "<=",
    r"\leqq": "<=", r"\leqslant": "<=",
    "=>": ">=", "≥": ">=", "⩾": ">=", r"\ge": ">=", r"\geq": ">=", r"\geqq": ">=", r"\geqslant": ">=",
    "≠": "!=", r"\ne": "!=", r"\neq": "!=", r"\lt": "<", r"\gt": ">", "≈": "~",
    "≒": "~", r"\approx": "~",
    r"\simeq": "~", "∈": "in", r"\in": "in", "≡": "=", r"\equiv": "=",
}  # fmt: skip
SETS = {r"\cup": "∪", r"\bigcup": "⋃", r"\cap": "∩", r"\bigcap": "⋂", r"\setminus": "∖", r"\backslash": "∖"}
FIELDS = {"ℝ": "R", "ℤ": "Z", "ℕ": "N", "ℚ": "Q", "ℂ": "C"}
# Signs with one meaning: kind and text of their token.
SIGNS = {
    "-": ("sign", "-"), "−": ("sign", "-"), "–": ("sign", "-"), "+": ("sign", "+"), "±": ("pm", "±"),
    "∓": ("pm", "∓"), r"\pm": ("pm", "±"), r"\mp": ("pm", "∓"), r"\times": ("times", "*"),
    r"\cdot": ("times", "*"), r"\ast": ("times", "*"), "×": ("times", "*"),
    "·": ("times", "*"), "∙": ("times", "*"),
    "⋅": ("times", "*"), "*": ("times", "*"), "÷": ("over", "÷"), r"\div": ("over",
    "÷"), "/": ("over", "/"),
    "^": ("power", "^"), "_": ("index", "_"), "!": ("factorial", "!"), "'": ("prime",
    "'"), "′": ("prime", "'"),
    "″": ("prime", "''"), r"\prime": ("prime", "'"), "°": ("degree", "°"), r"\degree": ("degree", "°"),
    r"\circ": ("degree", "°"), "(": ("open", "("), ")": ("close", ")"), "[": ("open",
    "["), "]": ("close", "]"),
    r"\lbrack": ("open", "["), r"\rbrack": ("close", "]"), r"\{": ("open", "⦃"), r"\}": ("close", "⦄"),
    r"\lbrace": ("open", "⦃"), r"\rbrace": ("close", "⦄"), "{": ("open", "{"), "}": ("close", "}"),
    "|": ("bar", "|"), r"\|": ("bar", "‖"), r"\mid": ("bar", "|"), r"\vert": ("bar", ""
    "|"), r"\lvert": ("bar", "|"),
    r"\rvert": ("bar", "|"), ",": ("comma", ","), ";": ("comma", ";"), ":": ("colon",
    ":"), r"\colon": ("colon", ":"),
    "&": ("cell", "&"), "√": ("root", "√"), r"\sqrt": ("root", "√"), "∞": ("infinity", "∞"),
    r"\infty": ("infinity", "∞"), "π": ("name", "π"), r"\pi": ("name", "π"), "∅": ("empty", "∅"),
    r"\emptyset": ("empty", "∅"), r"\varnothing": ("empty", "∅"), "⌊": ("open", "⌊"),
    "⌋": ("close", "⌋"),
    "⌈": ("open", "⌈"), "⌉": ("close", "⌉"), r"\lfloor": ("open", "⌊"), r"\rfloor": ("close", "⌋"),
    r"\lceil": ("open", "⌈"), r"\rceil": ("close", "⌉"), r"\langle": ("open", "("),
    r"\rangle": ("close", ")"),
    r"\frac": ("frac", "frac"), r"\dfrac": ("frac", "frac"), r"\tfrac": ("frac", "frac"),
    r"\cfrac": ("frac", "frac"),
    r"\binom": ("binom", "binom"), r"\dbinom": ("binom", "binom"), r"\tbinom": ("binom", "binom"),
    r"\or": ("comma", "or"), r"\lor": ("comma", "or"), r"\land": ("comma", "and"), r"\vee": ("comma", "or"),
    r"\wedge": ("comma", "and"), r"\emph": ("skip", ""), r"\Rightarrow": ("arrow", "→"),
    r"\implies": ("arrow", "→"),
    r"\to": ("arrow", "→"), r"\rightarrow": ("arrow", "→"),
}  # fmt: skip
GREEK = {r"\varepsilon": r"\epsilon", r"\varphi": r"\phi", r"\vartheta": r"\theta"}

LONGEST = 2000
"""Characters of a formula; what is longer is compared as text."""
MOST_TOKENS = 800


class Token(NamedTuple):
    """`kind` tells the parser what may be done with it, `text` is its one spelling."""

    kind: str
    text: str


class NotRead(Exception):
    """The text is no formula, or too large to be read as one."""


_GROUP = r"\d{1,3}(?:(?:,\\!\s?|\{,\}|\\,|\\!,?|,\\,)\d{3})+(?!\d)"
_DECIMAL = r"\d+\.?\d*(?:\\overline\s?\{\d+\}|(?:\\dot\s?\{?\d\}?\d*)+)?|\.\d+"
FUNCTIONS = frozenset(
    f"{arc}{name}{h}"
    for arc in ("", "arc", "a")
    for name in ("sin", "cos", "tan", "cot", "sec", "csc")
    for h in ("", "h")
) | frozenset(
    ["ln", "log", "lg", "exp", "max", "min", "gcd", "lcm", "det", "deg", "arg", "Re", "Im", "sgn", "sign"]
)
_TEXTS = r"text(?:bf|it|rm|tt|sf|normal)?|mathrm|mathit|mathsf|mbox|hbox|rm|operatorname\*?|mathop"
_SIZES = r"left|right|[bB]igg?[lrm]?|displaystyle|textstyle|scriptstyle|limits|nolimits|quad|qquad|middle|!"
_PATTERN = (
    r"(?P<space>\s+|\\[,;:! ]|~|\$|\\\$|\\(?:" + _SIZES + r")(?![A-Za-z])(?:\s*\.(?!\d))?"
    r"|\\(?:text)?color\s*\{[^{}]*\}|\\(?:boxed|fbox|mathbf|boldsymbol|bm|bf|mathcal|underline|phantom)(?![A-Za-z])"
    r"|\\?[%％]|[£€¥₹]|\\hline|\\pounds|\\euro)"
    r"|(?P<env>\\(?:begin|end)\s*\{[A-Za-z]{1,12}\*?\}(?:\s*\{[clr|\s]{1,20}\})?)"
    r"|(?P<row>\\\\(?:\s*\[[^\]]{1,10}\])?|\\cr(?![a-z]))"
    r"|(?P<words>\\(?:" + _TEXTS + r")\s*\{(?P<content>[^{}]{0,300})\})"
    r"|(?P<field>\\mathbb\s*\{?\s*(?P<letter>[A-Z])\s*\}?|[ℝℤℕℚℂ])"
    r"|(?P<num>GROUPING" + _DECIMAL + r")"
    r"|(?P<rel><=|=<|>=|=>|==|!=|≠|≤|≥|⩽|⩾|≈|≒|∈|≡|[=<>]|\\(?:leqslant|leqq?|le|geqslant|geqq?|ge|neq|ne|lt|gt"
    r"|approx|simeq|in|equiv|not\s*=)(?![A-Za-z]))"
    r"|(?P<set>\\(?:cup|cap|setminus|backslash|bigcup|bigcap)(?![A-Za-z])|[∪∩∖])"
    r"|(?P<word>[A-Za-z]{2,})|(?P<name>[A-Za-zα-ωΑ-Ω])"
    r"|(?P<command>\\[A-Za-z]+|\\[{}|])|(?P<other>[-+−–±∓×·∙⋅*÷/^_!'′″°(){}\[\]|,;:&√∞π∅¬@⌊⌋⌈⌉…])"
    r"|(?P<letters>[^\W\d_]+)|(?P<dot>\.)"
)
_GROUPED = re.compile(
    _PATTERN.replace("GROUPING", r"\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|" + _GROUP + r"(?:\.\d+)?|")
)
_SEPARATED = re.compile(_PATTERN.replace("GROUPING", _GROUP + r"(?:\.\d+)?|"))
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: " ",
    0x3001: ",",
    0x3002: ".",
}
UNITS = frozenset(
    [
        "mm",
        "cm",
        "dm",
        "km",
        "ft",
        "yd",
        "in",
        "mi",
        "lb",
        "lbs",
        "oz",
        "kg",
        "mg",
        "ml",
        "mL",
        "hr",
        "hrs",
        "min",
        "sec",
        "am",
        "pm",
        "mph",
        "kph",
        "rad",
        "deg",
        "cc",
        "pct",
        "sq",
        "cu",
        "Hz",
        "kHz",
        "kW",
        "kWh",
        "Pa",
        "kPa",
        "mol",
        "atm",
        "usd",
        "USD",
        "rs",
        "Rs",
        "eur",
        "EUR",
    ]
)
_SHORT_WORDS = frozenset({"yes", "no", "odd", "one", "two", "six", "ten", "all", "any", "not", "is", "the"})
_WORDS = re.compile(r"\d+(?:[.,]\d+)*|[A-Za-z]{2,}|[^\W\d_]{2,}|[^\s]")


def tokenize(text: str, grouped: bool = True) -> list[Token]:
    """The tokens of a formula; `grouped` settles whether "1,234" is one number or two.

    Raises NotRead for a text that is too long or holds a character that no formula has.
    """
    if len(text) > LONGEST:
        raise NotRead("too long")
    if not text.isascii():
        text = text.translate(_FULL_WIDTH)
    tokens: list[Token] = []
    at = 0
    scan = (_GROUPED if grouped else _SEPARATED).match
    while at < len(text):
        match = scan(text, at)
        if match is None:
            raise NotRead(text[at])
        at = match.end()
        kind = match.lastgroup
        if kind != "space":
            _add(tokens, kind or "", match)
        if len(tokens) > MOST_TOKENS:
            raise NotRead("too many tokens")
    while tokens and tokens[-1].kind in ("dot", "comma"):
        tokens.pop()
    return tokens


def _add(tokens: list[Token], kind: str, match: re.Match[str]) -> None:
    text = match.group()
    if kind in ("num", "name", "env", "row", "dot"):
        tokens.append(Token(kind, text))
    elif kind == "other":
        tokens.append(Token(*SIGNS[text]) if text in SIGNS else Token("unknown", text))
    elif kind == "command":
        _add_command(tokens, text)
    elif kind == "rel":
        tokens.append(Token("rel", "!=" if text.startswith(r"\not") else RELATIONS.get(text, text)))
    elif kind == "set":
        tokens.append(Token("set", SETS.get(text, text)))
    elif kind in ("field", "letter"):
        tokens.append(Token("field", match["letter"] or FIELDS[text]))
    elif kind == "word":
        _add_word(tokens, text)
    elif kind == "letters":
        tokens.append(Token("word", text.casefold()))
    else:
        _add_text(tokens, match["content"], text)


def _add_command(tokens: list[Token], text: str) -> None:
    name = text[1:]
    if text in SIGNS:
        kind, sign = SIGNS[text]
        if kind != "skip":
            tokens.append(Token(kind, sign))
    elif name in FUNCTIONS:
        tokens.append(Token("function", name))
    else:
        tokens.append(Token("name", GREEK.get(text, text)))


def _add_word(tokens: list[Token], text: str) -> None:
    """Letters without a backslash: a function, a unit, a join, a product of up to three symbols, a word."""
    if text in FUNCTIONS or text in ("arcsin", "arccos", "arctan"):
        tokens.append(Token("function", text))
    elif text in ("sqrt", "pi", "infinity", "infty", "inf", "Infinity", "oo"):
        tokens.append(
            {"sqrt": Token("root", "√"), "pi": Token("name", "π")}.get(text, Token("infinity", "∞"))
        )
    elif text in ("and", "or"):
        tokens.append(Token("comma", text))
    elif text[:-1] in FUNCTIONS and len(text) > 3:
        tokens += [Token("function", text[:-1]), Token("name", text[-1])]
    elif len(text) > 3 or text in UNITS or text.casefold() in _SHORT_WORDS:
        tokens.append(Token("word", text.casefold()))
    else:
        tokens += [Token("name", letter) for letter in text]


def _add_text(tokens: list[Token], content: str, whole: str) -> None:
    r"""What \text{...} holds: "and", a letter in brackets, a function's name, words."""
    content = re.sub(r"\\(?:left|right)(?![a-z])|[~\\]", " ", content).strip()
    name = content.replace(" ", "")
    if name in FUNCTIONS and not (name in UNITS and tokens and tokens[-1].kind in ("num", "close")):
        tokens.append(Token("function", name))
        return
    for part in _WORDS.findall(content):
        low = part.casefold()
        if low in ("and", "or"):
            tokens.append(Token("comma", low))
        elif part[0].isdecimal():  # "²" is a digit and no number
            tokens.append(Token("num", part))
        elif len(part) == 1 and not part.isalpha():
            if part in SIGNS:
                tokens.append(Token(*SIGNS[part]))
            elif part not in ".$%€£¥":
                tokens.append(Token("word", part))
        else:
            tokens.append(Token("word", part if len(part) == 1 else low))
