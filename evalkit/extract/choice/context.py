"""What is written around a letter that is declared: answer words, verdicts, negations, conditions.

Languages as those of rule `answer-is`. Every pattern looks at some hundred characters at most. What a
version of the rule looks for is one object: `SECOND` as it was released, `THIRD` with more of each.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# What may stand between an announcement and its letter: brackets, emphasis, LaTeX that sets text.
WRAPPERS = " \n\t\r*_(（[【「\"'“‘`$\\{"
_SET_AS_TEXT = ("text", "textbf", "textit", "textrm", "mathbf", "mathrm", "bf", "boxed", "boldsymbol")
SET_AS_TEXT = ("<b>", "<strong>", *(f"\\{name}" for name in _SET_AS_TEXT))
# The end of a word for "answer" (its first letter may be a capital), found by `str.rfind`.
ASCII_STEMS = (
    "nswer", "NSWER", "Ans", "ption", "hoice", "orrect ", "ight ", "est ", "inal ", "ppropriate ", "CORRECT ",
    "####", "ntwort", "espuesta", "isposta", "esposta", "ntwoord", "Svar", "ibu", "awaban", "evap", "dpowied",
)  # fmt: skip
_MORE_ASCII_STEMS = (*ASCII_STEMS, "ans", "Letra", "lternativa", "ichtig", "svar")
STEMS = (
    *ASCII_STEMS, "éponse", "答案", "答え", "正解", "答", "정답", "답", "คำตอบ", "উত্তর",
    "సమాధానం", "الإجابة", "الجواب", "उत्तर", "जवाब",
    "твет", "áp án", "áp số", "选", "選",
)  # fmt: skip
_MORE_STEMS = (
    *STEMS, "Letra", "lternativa", "ichtig", "svar", "ans", "pción", "pzione", "pção", "Chọn", "πάντηση",
    "ідповідь", "תשובה", "پاسخ", "جواب",
)  # fmt: skip
_WORDS = (
    r"nswers?|NSWER|Ans|ntwort|éponse|espuesta|isposta|esposta|ntwoord|Svar(?:et)?|ibu|awaban(?:nya)?|evap|答案|答え|正解|答|정답|답|คำตอบ|উত্তর"
    r"|సమాధానం|الإجابة|الجواب|उत्तर|जवाब|твет|dpowied\w{1,3}|áp án|áp số|ption|hoice"
    r"|(?:orrect|ight|est|inal|ppropriate|CORRECT)\s(?:answer\s)?(?:option|choice|letter|statement|one|response|alternative)"
)
_MORE_WORDS = (
    _WORDS + r"|(?<![A-Za-z/])ans(?:wer)?|(?<!\w)svar(?:et)?|πάντηση|ідповідь|תשובה|پاسخ|جواب"
    r"|(?:pción|pzione|pção|lternativa)\s(?:correcta|corretta|correta)|(?<=[Rr])ichtig"
)
_MARK = (
    r"(?:(?:is|was|would|should|will|must|has to|are|est|es|ist|lautet|wäre|è|é|är|er|ni|là|to"
    r"|adalah|равен|هي|هو|ISN?|IS)\b"
    r"|[:：=>]|就?是|[应應]该?[是为為选]|[为為]|は|คือ|হল|হলো|হবে|는|은|】|\s?-(?=\s|$)|—|–|→)"
)
_ADVERBS = (
    r"(?:(?:therefore|thus|so|simply|now|then|also|probably|likely|definitely|clearly|certainly|surely|obviously|indeed|only|just|either|both|"
    r"most|for sure|in fact|of course|I believe|I think|hence|donc|que|also|wahrscheinlich|la|el"
    r"|a|o|le|il|the|der|die|das|de|letter|number|option|choice|"
    r"statement|answer|Option|Choice|Letter|Answer|letra|lettre|lettera|alternativa|to be|be"
    r"|réponse|opción|opzione|opção|Option|选项|選項|선택지),?\s*)"
)


def _declares(words: str, fillers: str, marks: str, adverbs: str) -> str:
    """From an answer word to what leads up to the letter."""
    return (
        rf"(?:{words})(?:[a-zźń]{{1,3}}(?<!choices)(?<!options))?"
        r"[ \"'*_】\]）)」]{0,8}(?:\([^()\n]{0,40}\)\s?)?"
        r"(?:(?:to|for|of|à|a|auf|among|here|from)\b[^.\n:=]{0,60}?\s(?=is\b|was\b|est\b|es\b|ist\b))?"
        r"(?:finale?|correct[ae]?|corrett[ao]|corret[ao]|correct[ao]|exact[ea]?|bonne|richtige|then|therefore|here"
        rf"|thus|,{fillers}|\s)*{marks}[\s*_:：】\]）)」\"'$\\({{>]{{0,12}}{adverbs}{{0,5}}"
    )


_SECOND_DECLARES = _declares(_WORDS, "", _MARK, _ADVERBS)
_THIRD_DECLARES = _declares(
    _MORE_WORDS,
    "|الصحيحة|الصحيح|النهائية|النهائي|सही|है|সঠিক|ที่ถูกต้อง|ถูกต้อง|đúng|chính xác|yang benar|yang tepat|benar"
    "|juiste|richtig",
    rf"(?:{_MARK}|(?<=उत्तर)|(?<=जवाब)|(?<=है)|(?<=উত্তর)|(?<=[Cc]evap)|(?<=Ans)\.|(?<=είναι))",
    _ADVERBS[:-7] + r"|l['’]option|la opción|die Option|Buchstabe),?\s*)",
)


def _announced(declares: str, more: str, not_after: str = "") -> re.Pattern[str]:
    """From a stem to the end of what stands before the letter; `not_after` rules out a closing tag."""
    return re.compile(
        rf"{not_after}(?:{declares}|(?:####|选|選{more})(?:择|擇)?\s*[:：是为]?\s*(?:选项)?|(?:nswer|NSWER)(?:>\s*|\s+))$"
    )


def _announced_far(declares: str, other: str = "") -> re.Pattern[str]:
    """For a letter in brackets or after "option": "The answer is 12, (B)"."""
    return re.compile(
        rf"(?:{declares})(?:(?!\b(?:because|since|not|unlike|while|whereas|but|than|and|or|as|if)\b|n't{other})[^.!?\n]){{1,30}}$"
    )


LEADING_SIGNS = frozenset(":：=>】#→—–-,】]")
LEADING_WORDS = frozenset([
    "is", "was", "would", "should", "will", "must", "be", "to", "are", "est", "es", "ist", "lautet", "er",
    "ni", "adalah", "isn", "equals", "therefore", "thus", "so", "simply", "now", "then", "also", "probably",
    "likely", "definitely", "clearly", "certainly", "surely", "obviously", "indeed", "only", "just",
    "either", "both", "most", "sure", "fact", "course", "believe", "think", "hence", "donc", "que",
    "wahrscheinlich", "la", "el", "a", "o", "le", "il", "the", "der", "die", "das", "de", "letter",
    "number", "option", "choice", "statement", "answer", "letra", "lettre", "lettera", "alternativa",
    "choose", "chose", "choosing", "select", "selected", "selecting", "pick", "picked", "with", "for", "on",
    "leaves", "us", "matches", "conclusion", "guess", "say", "that", "it's", "that's", "this's", "i'd"
])  # fmt: skip
_MORE_LEADING = frozenset([
    "opción", "opzione", "opção", "l'option", "l’option", "cevap", "benar", "tepat", "är", "but",
    "buchstabe", "chọn", "ans.", "rather", "sondern", "sino", "mais", "ma", "bensì", "mas", "sim",
    "maar", "utan", "lecz", "ale", "actually", "wait", "no", "nope", "hmm", "sorry", "correction",
    "instead", "nein", "doch", "mean", "değil"
])  # fmt: skip
# Before a letter: what the text settles for.
_VERDICT_BEFORE = (
    r"(?:\b(?:choose|chose|choosing|select|selected|selecting|pick|picked|go with|going with"
    r"|opt for|opting for|settle on|leaves?(?: us with)?|"
    r"left with|corresponds to|matches|points to|"
    r"(?:[Ii]t|[Tt]his|[Tt]hat|[Tt]hey|[Oo]ne|[Ww]hich)(?:['’]s|\s(?:is|must be|should be"
    r"|has to be|would be|will be|can only be))|must be|has to be|should be|"
    r"(?:I\s(?:think|believe|guess|say)|I['’]d say)(?:\s(?:it['’]s|it is|that))?|(?:\bis"
    r"|\bbe)\s(?:the\s)?(?:option|choice|letter|answer)|"
    r"[Ss]o|[Tt]hus|[Tt]herefore|[Hh]ence|THEREFORE|[Cc]onclusion)\b[\s,:]*(?:therefore|likely"
    r"|probably|definitely|most likely|clearly|the|option|choice|letter|answer|Option|Choice|,"
    r"|\s)*)$"
)
# After a letter: that it is right.
_VERDICT_AFTER = (
    r"[)\]}）】*_\"'”’$]{0,6}\s*(?:(?:is|was|must be|would be|should be|seems|has to be"
    r"|looks)\s+(?:most\s+likely\s+|likely\s+|probably\s+|definitely\s+|clearly\s+|indeed\s+"
    r"|therefore\s+|thus\s+|then\s+|also\s+|obviously\s+)?"
    r"(?:(?:the|our|my)\s+)?(?:only\s+|most\s+|one\s+)?(?:correct|right|true|best|valid|accurate"
    r"|appropriate|answer|accurate|solution)\b(?!\s*(?:if|only if|when)\b)"
    r"|选项?(?:是)?正确|项?正确|是(?:正确|对)|が正解|が正しい|[가이]\s?(?:정답|맞|옳))"
)
# A clause that denies.
NEGATED = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|can['’]?t|isn['’]?t|wasn['’]?t|rather than|instead of"
    r"|eliminates?|rules? out|ruling out|exclude|except|unlike|nicht|pas|nie|不是|非)|n['’]t|不选|不選"
    r"|アでは)"
    r"[\s*_(\"'$\\{]*(?:be\s|the\s|option\s|choice\s|answer\s|just\s|only\s|A\b,?\s|[A-Z],\s|or\s|nor\s|either\s)*[\s*_(\"'$\\{]*$"
)


CLOSERS = r"[)\]}）】*_\"'”’$]{0,6}"
_CAPITAL = r"[(（*\"']{0,3}[A-ZＡ-Ｚ](?![A-Za-z0-9'’])"
_REMARKED = (
    r"(?!\)?\s+(?:is|was|are|can|could|would|has|isn|does|seems|leaves|states|says|refers|because"
    r"|fails|gives|contains|describes)\b)"
)


def _several(signs: str, words: str, more: str) -> re.Pattern[str]:
    """Another letter of the same claim: "A or B", "A, B"."""
    return re.compile(
        CLOSERS
        + rf"(?:\s*(?:{signs})\s*|\s*,?\s*(?:or|and|und|oder|et|ou|y|o|e|和|或|と|또는|или|и{words})\s*)"
        + r"(?:also\s|possibly\s|maybe\s|perhaps\s|even\s)?(?:option\s|choice\s)?"
        + _CAPITAL
        + _REMARKED
        + more
    )


# A capital alone, "(b)", or "b" that ends its line after a colon. All begin with one set of
# characters, for speed.
_CAPITALS = (
    r"[A-Z@(:](?:NOT_BEFORE(?<=[A-Z@])NOT_AFTER(?!\+\+|-[A-Za-z])|(?<=\()(?<![\w)}]\()[a-j](?=\))"
    r"|(?<=[:：]) [a-z](?=[.)*]{0,3}[ \t]{0,9}(?:\n|$)))"
)


def _letters(before: str, after: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Letters that stand alone: in any text, and in one of ASCII; by what may not follow and precede one."""
    pattern = _CAPITALS.replace("NOT_BEFORE", before).replace("NOT_AFTER", after)
    wide = pattern.replace("@(:", "Ａ-Ｚ(:：").replace("@", "Ａ-Ｚ")
    return re.compile(wide), re.compile(re.sub("[@’]|Ａ-Ｚ", "", pattern))


_DISMISSED = (
    CLOSERS + r"(?:\s*(?:(?:is|was|are|seems|looks)\s+(?:also\s+|clearly\s+|definitely\s+|simply\s+|just\s+)?"
    r"(?:not\b|n't|incorrect|in-correct|wrong|false|untrue|invalid|impossible|ruled|eliminated|unlikely)"
    r"|(?:isn|wasn|can|could|cannot|does|do)(?:['’]t|not)?\s(?:be|not)|不|错|是错|wrong|incorrect)"
)
_ENDS = CLOSERS + r"\s*(?:[.,;:!。，；！)\n]|$|\b(?:because|since|as|due|given)\b|[-–—]|입니다|です|だ|है|\("


class Signs(NamedTuple):
    """What a version of the rule looks for: letters that stand alone, and what is written around one."""

    letters: tuple[re.Pattern[str], re.Pattern[str]]
    stems: tuple[tuple[str, ...], tuple[str, ...]]
    announced: re.Pattern[str]
    announced_far: re.Pattern[str]
    leading: frozenset[str]
    verdict_before: re.Pattern[str]
    verdict_after: re.Pattern[str]
    dismissed: re.Pattern[str]
    ends: re.Pattern[str]
    several: re.Pattern[str]
    head: re.Pattern[str]
    only: re.Pattern[str]


_HEAD = (
    r"[\s*_#>]{0,12}(?:[(（\[](?P<round>[A-Za-z])[)）\]]|(?P<plain>[A-ZＡ-Ｚ])"
    r"(?:[*_]{0,3}(?:[).:,](?!\w)|[：、．。，]DASH)|[*_]{0,3}\s*(?:\n|$)))"
)
_ONLY = (
    r"[\s*_(（\[\"'`]{0,9}(?:(?:[Oo]ption|[Cc]hoice|[Ll]etterWORDS)\s(?:\()?)?(?P<letter>[A-Za-zＡ-Ｚ])"
    r"[\s*_)）\].,。\"'`]{0,9}"
)
SECOND = Signs(
    letters=_letters(r"(?![A-Za-z0-9'’])", r"(?<![A-Za-z0-9'’\\].)"),
    stems=(STEMS, ASCII_STEMS),
    announced=_announced(_SECOND_DECLARES, ""),
    announced_far=_announced_far(_SECOND_DECLARES),
    leading=LEADING_WORDS,
    verdict_before=re.compile(_VERDICT_BEFORE),
    verdict_after=re.compile(_VERDICT_AFTER),
    dismissed=re.compile(_DISMISSED + ")"),
    ends=re.compile(_ENDS + ")"),
    several=_several(r",|、|/|&|\+", "", ""),
    head=re.compile(_HEAD.replace("DASH", "")),
    only=re.compile(_ONLY.replace("WORDS", "")),
)
THIRD = Signs(
    letters=_letters(
        r"(?![A-Za-z0-9Ａ-Ｚ]|['’](?!d[ıiuü]r)[A-Za-z])", r"(?<![A-Za-z0-9Ａ-Ｚ\\].)(?<![A-Za-z]['’].)"
    ),
    stems=(_MORE_STEMS, _MORE_ASCII_STEMS),
    announced=_announced(_THIRD_DECLARES, "|Chọn|Letra", "(?<!/[aA])"),
    announced_far=_announced_far(_THIRD_DECLARES, r"|[A-Z][)）]"),
    leading=LEADING_WORDS | _MORE_LEADING,
    verdict_before=re.compile(
        r"(?:\bnot\s(?:option\s)?\(?[A-Z]\)?,?\sbut(?:\srather)?(?:\soption)?|" + _VERDICT_BEFORE[3:]
    ),
    verdict_after=re.compile(
        _VERDICT_AFTER[:-1]
        + r"|번\s?[이가은]?\s?(?:정답|맞|옳)|\s?(?:ist\s)?richtig\b|\sest (?:correcte?|juste|exacte?)\b"
        r"|\ses (?:correct[ao]|la correcta)\b|\sè (?:corrett[ao])\b|\sé (?:corret[ao])\b|\sверн(?:о|ый)"
        r"|は正しい|も?正解)"
    ),
    dismissed=re.compile(
        _DISMISSED + r"|\s?\?+(?!\s*(?:[Yy]es|[Yy]ep|[Cc]orrect|[Rr]ight|[Ii]ndeed|[Ee]xactly|[Ss]ure"
        r"|[Jj]a\b|[Oo]ui|[Ss][íì]|是的|对))"
        r"|\s?(?:では(?:な|あり)|じゃな|でない|[이가은는]?\s?아[니닙닌]|değil|নয়|नहीं|కాదు))"
    ),
    ends=re.compile(_ENDS + r"|\b(?:over|rather than|instead of|not|und nicht|et non|y no)\b)"),
    several=_several(
        r",|、|/|&|\+|\||;|；|，|\\(?:text|mathrm)\s?\{\s?(?:or|and)\s?\}",
        r"|または|或者|及|أو|अथवा|या|atau|veya|hoặc|eller|of|lub|ή|או|[(（]\s?(?:or|maybe|possibly|或者?)",
        r"|[)\]*.?!…,;: ]{1,5}(?:[Oo]r|[Mm]aybe|[Pp]erhaps|[Pp]ossibly|[Aa]lternatively|[Cc]ould be"
        r"|[Mm]ight be)\s(?:(?:it['’]s|option|also|even|be)\s)*[(*]{0,3}[A-Z][)*]{0,3}"
        r"(?=[\s.?!,]*(?:$|\n|[.?!]))|\)?\s(?:to|through|bis)\s\(?[B-Z]\)?(?=[\s.)]*(?:$|\n))"
        r"|[)\]*]?[（(][A-ZＡ-Ｚ][)）]|\)?[ \t]{1,2}[A-ZＡ-Ｚ](?=[\s.,*]*(?:$|\n|[A-ZＡ-Ｚ](?![\w'’])|<))"
        r"|[).:]\s[^\n]{1,40}?\s\(?B[).:]\s[^\n]{1,40}?\s\(?C[).:]",
    ),
    head=re.compile(_HEAD.replace("DASH", r"|\s[-–—]\s")),
    only=re.compile(
        _ONLY.replace(
            "WORDS",
            "|[Ll]etra|[Ll]ettre|[Ll]ettera|[Bb]uchstabe|[Oo]pción|[Oo]pção|[Oo]pzione|[Aa]lternativa",
        )
    ),
)
