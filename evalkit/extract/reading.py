"""`extract(text, rule)`: the answer of a text under a rule, the only way into the readers."""

from __future__ import annotations

from evalkit.extract.choice.options import ALL
from evalkit.extract.peers import PEER_COMPARISONS
from evalkit.extract.region import region
from evalkit.extract.rules import WITH_OPTIONS, resolve_rule
from evalkit.records import Extraction


def extract(text: str, rule: str, options: int = ALL) -> Extraction:
    """Read the answer of `text` with `rule` ("boxed" is the newest version, "boxed@1" that one).

    `options` limits the letters of `choice`; `evalkit.grade.judge.judge` reads strictly, then leniently.
    `answer` is a canonical number where it can be one, else text.
    Raises UserError for an unknown rule, never for a text.
    """
    name, reader = resolve_rule(rule)
    lo, hi = (0, len(text)) if name.partition("@")[0] in PEER_COMPARISONS else region(text)
    read = reader(text, lo, hi, options) if reader in WITH_OPTIONS else reader(text, lo, hi)
    if read is None:
        return Extraction(None, name)
    fired = f"{name}/{read.member}" if read.member else name
    span = (read.start, read.end) if read.answer is not None else None
    return Extraction(read.answer, fired, span, read.alternatives)
