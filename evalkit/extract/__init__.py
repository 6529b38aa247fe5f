"""Read the final answer of a completion.

`extract(text, rule)` is pure and total: it never raises for any text, keeps no state, and takes
time linear in the length of the text. Rules and their reasons: docs/extraction.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import lru_cache

from evalkit.extract import peers
from evalkit.extract.boxed import read_boxed
from evalkit.extract.choice import read_choice
from evalkit.extract.found import Found
from evalkit.extract.lenient import read_lenient
from evalkit.extract.markers import read_hash, read_json
from evalkit.extract.math import read_math
from evalkit.extract.phrase import read_phrase
from evalkit.extract.region import region
from evalkit.extract.unmarked import read_last_number
from evalkit.records import Extraction
from prompts.errors import UserError

Reader = Callable[[str, int, int], Found | None]

# Goes up when `evalkit.score` changes what counts as equal; part of the prompt lock.
SCORER_VERSION = 2

# Every version that was ever released stays here and callable: a change is a new version.
RULES: dict[str, dict[int, Reader]] = {
    "hash": {1: read_hash},
    "boxed": {1: read_boxed},
    "answer-is": {1: read_phrase},
    "json": {1: read_json},
    "choice": {1: read_choice},
    "last-number": {1: read_last_number},
    "math": {1: read_math},
    "lenient": {1: read_lenient},
    "verl-gsm8k-strict": {1: peers.verl_strict},
    "verl-gsm8k-flexible": {1: peers.verl_flexible},
    "lm-eval-strict": {1: peers.lm_eval_strict},
    "lm-eval-flexible": {1: peers.lm_eval_flexible},
}


@lru_cache(maxsize=256)
def resolve_rule(rule: str) -> tuple[str, Reader]:
    """The full name of a rule, "boxed@1" for "boxed", and its reader.

    Raises UserError for a rule or version that there is not.
    """
    name, _, version = rule.partition("@")
    versions = RULES.get(name)
    if versions is None:
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


def extract(text: str, rule: str, strict: str | None = None) -> Extraction:
    """Read the answer of `text` with `rule` ("boxed" is the newest version, "boxed@1" that one).

    `strict` names the rule of the prompt template: it is tried first, so that what is strictly
    right is leniently right. `answer` is a canonical number where it can be one, else text.
    Raises UserError for an unknown rule, never for a text.
    """
    if strict is not None:
        found = extract(text, strict)
        if found.answer is not None:
            return found
    name, reader = resolve_rule(rule)
    lo, hi = (0, len(text)) if name.partition("@")[0] in peers.PEER_COMPARISONS else region(text)
    read = reader(text, lo, hi)
    if read is None:
        return Extraction(None, name)
    fired = f"{name}/{read.member}" if read.member else name
    span = (read.start, read.end) if read.answer is not None else None
    return Extraction(read.answer, fired, span, read.alternatives)
