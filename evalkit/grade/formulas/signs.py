"""What the signs of a formula mean: the kind and the one spelling of the token of each."""

from __future__ import annotations

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
