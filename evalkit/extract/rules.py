"""The extraction rules by name and version, and the reader of each. Their reasons: docs/extraction.md."""

from __future__ import annotations

import difflib
from functools import lru_cache, partial

from evalkit.extract import peers
from evalkit.extract.answer_span import Reader
from evalkit.extract.boxed import read_boxed
from evalkit.extract.choice.first import read_choice
from evalkit.extract.choice.letter import read_letter, read_letter_as_second
from evalkit.extract.declared.kept import keep_box, keep_declared, keep_number
from evalkit.extract.declared.settled import settled
from evalkit.extract.declared.whole import read_box, read_declared
from evalkit.extract.lenient import FIRST, SECOND, read_lenient
from evalkit.extract.markers import read_hash, read_json
from evalkit.extract.math import read_any_math, read_math, read_whole_math
from evalkit.extract.phrase import read_phrase
from evalkit.extract.unmarked import read_affirmed, read_last_number, read_unmarked
from prompts.errors import UserError

# Every version that was ever released stays here and callable: a change is a new version.
RULES: dict[str, dict[int, Reader]] = {
    "hash": {
        1: read_hash,
        2: partial(read_hash, read=read_declared),
        3: partial(settled, read=partial(read_hash, read=keep_number)),
    },
    "boxed": {
        1: read_boxed,
        2: partial(read_boxed, read=read_box),
        3: partial(settled, read=partial(read_boxed, read=keep_box), follow=False),
    },
    "answer-is": {
        1: read_phrase,
        2: partial(read_phrase, read=read_declared),
        3: partial(settled, read=partial(read_phrase, read=keep_declared)),
    },
    "json": {
        1: read_json,
        2: partial(read_json, read=read_declared),
        3: partial(settled, read=partial(read_json, read=keep_declared)),
    },
    "choice": {1: read_choice, 2: read_letter_as_second, 3: read_letter},
    "last-number": {1: read_last_number},
    "math": {
        1: read_math,
        2: read_whole_math,
        3: partial(settled, read=read_any_math, rest=read_affirmed),
    },
    "lenient": {
        1: partial(read_lenient, readers=FIRST, end_of_text=read_unmarked),
        2: partial(read_lenient, readers=SECOND, end_of_text=read_unmarked),
        3: partial(settled, read=read_lenient, rest=read_affirmed),
    },
    "verl-gsm8k-strict": {1: peers.verl_strict},
    "verl-gsm8k-flexible": {1: peers.verl_flexible},
    "lm-eval-strict": {1: peers.lm_eval_strict},
    "lm-eval-flexible": {1: peers.lm_eval_flexible},
}
# Readers that are told how many options a question has.
WITH_OPTIONS = (read_letter, read_letter_as_second)


@lru_cache(maxsize=256)
def resolve_rule(rule: str) -> tuple[str, Reader]:
    """The full name of a rule, "boxed@1" for "boxed", and its reader.

    Raises UserError for a rule or version that there is not.
    """
    name, _, version = rule.partition("@")
    versions = RULES.get(name)
    if versions is None:
        if name.startswith("python:"):
            raise UserError(
                f"{name} is a grader of your own, which judges and does not extract; "
                f"let it judge stored answers: evalkit rescore RUN --rule {name}"
            )
        near = difflib.get_close_matches(name, RULES, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(RULES)}"
        raise UserError(f"no extraction rule is named {name!r}; {hint}")
    if not version:
        number = max(versions)
    elif version.isascii() and version.isdigit() and int(version[:9]) in versions:
        number = int(version)
    else:
        known = ", ".join(f"{name}@{v}" for v in versions)
        raise UserError(f"rule {name} has no version {version!r}; there are {known}")
    return f"{name}@{number}", versions[number]
