"""`extract(text, rule)`: the answer of a text under a rule, the only way into the readers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from evalkit.extract.answer_span import AnswerSpan
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
    name, reader, by_peer, with_options = _way(rule)
    lo, hi = (0, len(text)) if by_peer else region(text)
    read = reader(text, lo, hi, options) if with_options else reader(text, lo, hi)
    if read is None:
        return Extraction(None, name)
    fired = f"{name}/{read.member}" if read.member else name
    span = (read.start, read.end) if read.answer is not None else None
    return Extraction(read.answer, fired, span, read.alternatives)


@lru_cache(maxsize=256)
def _way(rule: str) -> tuple[str, Callable[..., AnswerSpan | None], bool, bool]:
    """Name and reader of a rule, whether it is a peer's, which reads all of a text, and takes `options`."""
    name, reader = resolve_rule(rule)
    return name, reader, name.partition("@")[0] in PEER_COMPARISONS, reader in WITH_OPTIONS
