"""What is written around a letter that is declared: answer words, verdicts, negations, conditions.

Languages as those of rule `answer-is`. Every pattern looks at some hundred characters at most.
"""

from __future__ import annotations

import re

# What may stand between an announcement and its letter: brackets, emphasis, LaTeX that sets text.
WRAPPERS = " \n\t\r*_(（[【「\"'“‘`$\\{"
_SET_AS_TEXT = ("text", "textbf", "textit", "textrm", "mathbf", "mathrm", "bf", "boxed", "boldsymbol")
SET_AS_TEXT = ("<b>", "<strong>", *(f"\\{name}" for name in _SET_AS_TEXT))
# The end of a word for "answer" (its first letter may be a capital), found by `str.rfind`.
ASCII_STEMS = (
    "nswer", "NSWER", "Ans", "ption", "hoice", "orrect ", "ight ", "est ", "inal ", "ppropriate ", "CORRECT ",
    "####", "ntwort", "espuesta", "isposta", "esposta", "ntwoord", "Svar", "ibu", "awaban", "evap", "dpowied",
)  # fmt: skip
STEMS = (
    *ASCII_STEMS, "éponse", "答案", "答え", "正解", "答", "정답", "답", "คำตอบ", "উত্তর",
    "సమాధానం", "الإجابة", "الجواب", "उत्तर", "जवाब",
    "твет", "áp án", "áp số", "选", "選",
)  # fmt: skip
_WORDS = (
    r"nswers?|NSWER|Ans|ntwort|éponse|espuesta|isposta|esposta|ntwoord|Svar(?:et)?|ibu|awaban(?:nya)?|evap|答案|答え|正解|答|정답|답|คำตอบ|উত্তর"
    r"|సమాధానం|الإجابة|الجواب|उत्तर|जवाब|твет|dpowied\w{1,3}|áp án|áp số|ption|hoice"
    r"|(?:orrect|ight|est|inal|ppropriate|CORRECT)\s(?:answer\s)?(?:option|choice|letter|statement|one|response|alternative)"
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
_DECLARES = (
    rf"(?:{_WORDS})(?:[a-zźń]{{1,3}}(?<!choices)(?<!options))?"
    r"[ \"'*_】\]）)」]{0,8}(?:\([^()\n]{0,40}\)\s?)?"
    rf"(?:(?:to|for|of|à|a|auf|among|here|from)\b[^.\n:=]{{0,60}}?\s(?=is\b|was\b|est\b|es\b|ist\b))?"
    rf"(?:finale?|correct[ae]?|corrett[ao]|corret[ao]|correct[ao]|exact[ea]?|bonne|richtige|then|therefore|here|thus|,|\s)*{_MARK}[\s*_:：】\]）)」\"'$\\({{>]{{0,12}}{_ADVERBS}{{0,5}}"
)
# From a stem to the end of what stands before the letter.
ANNOUNCED = re.compile(
    rf"(?:{_DECLARES}|(?:####|选|選)(?:择|擇)?\s*[:：是为]?\s*(?:选项)?|(?:nswer|NSWER)(?:>\s*|\s+))$"
)
# "The answer is 12, (B)": only for a letter in brackets or after "option".
ANNOUNCED_FAR = re.compile(
    rf"(?:{_DECLARES})(?:(?!\b(?:because|since|not|unlike|while|whereas|but|than|and|or|as|if)\b|n't)[^.!?\n]){{1,30}}$"
)
LEADING_SIGNS = frozenset(":：=>】#→—–-,】]")
LEADING_WORDS = frozenset(
    [
        "is",
        "was",
        "would",
        "should",
        "will",
        "must",
        "be",
        "to",
        "are",
        "est",
        "es",
        "ist",
        "lautet",
        "er",
        "ni",
        "adalah",
        "isn",
        "equals",
        "therefore",
        "thus",
        "so",
        "simply",
        "now",
        "then",
        "also",
        "probably",
        "likely",
        "definitely",
        "clearly",
        "certainly",
        "surely",
        "obviously",
        "indeed",
        "only",
        "just",
        "either",
        "both",
        "most",
        "sure",
        "fact",
        "course",
        "believe",
        "think",
        "hence",
        "donc",
        "que",
        "wahrscheinlich",
        "la",
        "el",
        "a",
        "o",
        "le",
        "il",
        "the",
        "der",
        "die",
        "das",
        "de",
        "letter",
        "number",
        "option",
        "choice",
        "statement",
        "answer",
        "letra",
        "lettre",
        "lettera",
        "alternativa",
        "choose",
        "chose",
        "choosing",
        "select",
        "selected",
        "selecting",
        "pick",
        "picked",
        "with",
        "for",
        "on",
        "leaves",
        "us",
        "matches",
        "conclusion",
        "guess",
        "say",
        "that",
        "it's",
        "that's",
        "this's",
        "i'd",
        "answer",
    ]
)
# Before a letter: what the text settles for.
VERDICT_BEFORE = re.compile(
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
VERDICT_AFTER = re.compile(
    r"[)\]}）】*_\"'”’$]{0,6}\s*(?:(?:is|was|must be|would be|should be|seems|has to be"
    r"|looks)\s+(?:most\s+likely\s+|likely\s+|probably\s+|definitely\s+|clearly\s+|indeed\s+"
    r"|therefore\s+|thus\s+|then\s+|also\s+|obviously\s+)?"
    r"(?:(?:the|our|my)\s+)?(?:only\s+|most\s+|one\s+)?(?:correct|right|true|best|valid|accurate"
    r"|appropriate|answer|accurate|solution)\b(?!\s*(?:if|only if|when)\b)"
    r"|选项?(?:是)?正确|项?正确|是(?:正确|对)|が正解|が正しい|[가이]\s?(?:정답|맞|옳))"
)
# A clause that only supposes or denies.
NEGATED = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|can['’]?t|isn['’]?t|wasn['’]?t|rather than|instead of"
    r"|eliminates?|rules? out|ruling out|exclude|except|unlike|nicht|pas|nie|不是|非)|n['’]t|不选|不選"
    r"|アでは)"
    r"[\s*_(\"'$\\{]*(?:be\s|the\s|option\s|choice\s|answer\s|just\s|only\s|A\b,?\s|[A-Z],\s|or\s|nor\s|either\s)*[\s*_(\"'$\\{]*$"
)
CONDITION = re.compile(
    r"(?:\b(?:[Ii]f|[Ww]hether|[Ss]uppose|[Aa]ssum\w{1,4}|[Uu]nless|[Ww]ould have been"
    r"|[Ww]hy)\b)[^.!?\n,;]{0,60}$"
)
