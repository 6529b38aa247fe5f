"""Why two numbers differ: the gap between two runs, shared among the keys in which they differ.

What stored completions can say needs no model: they are read again under either rule and cut at the
smaller response limit. Keys that change what the model writes (template, system, stop ids, ...) are one
share here, under all their names; `evalkit.score.one_key` tells them apart by scoring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.grade.judge import judge
from evalkit.grade.user_function import is_function
from evalkit.records import UNANSWERED, Record
from evalkit.runs.folder import Run
from evalkit.stats.pairs import Interval
from evalkit.stats.samples import around, mean_se
from evalkit.stats.shapley import shapley
from prompts.errors import UserError
from prompts.lock import difference_of_locks

RULE, SCORER, LIMIT = "rule", "scorer", "max tokens"
GROUPS = (
    ("template", ("reading.template.",)),
    ("system", ("reading.system.",)),
    ("thinking", ("reading.chat_template.kwargs",)),
    ("chat template", ("reading.chat_template",)),
    ("tokenizer", ("reading.tokenizer", "reading.decode")),
    ("stop ids", ("reading.stop_ids",)),
    (RULE, ("reading.scorer.rule",)),
    (SCORER, ("reading.scorer",)),
    (LIMIT, ("budget.max_tokens",)),
    ("sampling", ("budget.temperature", "budget.top_p", "budget.samples")),
)
"""The first group whose prefix fits a key of the lock names it; probe and rows follow from the others."""
Text = tuple[str, str | None, bool]
"""A completion, its gold, and whether it was cut off at its limit."""
Texts = Callable[[frozenset[str]], Mapping[tuple[str, int], Text]]
"""Completions by row id and sample, with these keys as in the second run and the others as in the first."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one key, or several that cannot be told apart, carries of the gap (-1 to 1); `left` and `right`
    are its values in the two runs.
    """

    keys: tuple[str, ...]
    share: float
    ci: Interval
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Accuracy of both runs on their common questions, and the shares, which sum to the difference."""

    runs: tuple[str, str]
    n: int
    base: float
    new: float
    shares: tuple[Share, ...]
    scored: bool

    @property
    def total(self) -> float:
        return self.new - self.base


def differing_keys(base: Run, new: Run) -> dict[str, tuple[str, str]]:
    """The keys in which two runs differ, in the words of people, with both values."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    if base.manifest.model.weights_sha256 != new.manifest.model.weights_sha256:
        found["weights"] = ([base.manifest.model.name], [new.manifest.model.name])
    for entry in difference_of_locks(base.lock, new.lock):
        path = f"{entry.section}.{entry.key}"
        name = next((name for name, starts in GROUPS if path.startswith(starts)), None)
        if name is not None:
            left, right = found.setdefault(name, ([], []))
            left.append(_value(entry.left))
            right.append(_value(entry.right))
    formats = [run.manifest.engine.computes_in or run.manifest.engine.dtype for run in (base, new)]
    if None not in formats and formats[0] != formats[1]:
        found["number format"] = ([str(formats[0])], [str(formats[1])])
    named = {name: (", ".join(left), ", ".join(right)) for name, (left, right) in found.items()}
    templates = base.lock.template, new.lock.template
    if "template" in named and templates[0] != templates[1]:
        named["template"] = templates
    if not base.lock.reading.get("chat_template", True) or not new.lock.reading.get("chat_template", True):
        named.pop("chat template", None)  # raw text has none: that is the template's doing
        named.pop("thinking", None)
    return named


def _value(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def written_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Those that change what the model writes; the others change how it is read."""
    return tuple(key for key in keys if key not in (RULE, SCORER, LIMIT))


def explain_gap(base: Run, new: Run) -> Gap:
    """Share the gap of two complete runs by what their stored completions say.

    Raises UserError where a run is not complete, they share no scored question, or a rule is a function
    of the user's.
    """
    keys = differing_keys(base, new)
    sides = stored(base), stored(new)
    written = written_keys(keys)
    at_limit = _at_limits(base, new, sides) if LIMIT in keys and written else None
    if at_limit is None:
        written += (LIMIT,) if LIMIT in keys else ()
    bundles = {player_of(written): written} if written else {}
    bundles |= {LIMIT: (LIMIT,)} if at_limit else {}

    def texts(changed: frozenset[str]) -> Mapping[tuple[str, int], Text]:
        side = int(bool(changed - {LIMIT}) or not written)
        return at_limit[side][LIMIT in changed] if at_limit else sides[side]

    return share_gap(base, new, keys, bundles, texts)


Sides = tuple[dict[tuple[str, int], Text], dict[tuple[str, int], Text]]


def _at_limits(base: Run, new: Run, sides: Sides) -> tuple[Sides, Sides] | None:
    """The completions of each side under the first run's and the second run's response limit.

    None where stored completions do not say: the side with the smaller limit was cut off somewhere, or the
    tokenizer that would cut the other's is not there.
    """
    limits = [run.manifest.sampling.max_tokens for run in (base, new)]
    if limits[0] is None or limits[1] is None:
        return None
    small = 0 if limits[0] < limits[1] else 1
    runs = base, new
    if any(record.truncated for record in runs[small].records):
        return None
    shorter = _cut(runs[1 - small], sides[1 - small], int(limits[small] or 0))
    if shorter is None:
        return None
    large = sides[1 - small], shorter  # under its own limit, and under the smaller one
    if small == 0:
        return (sides[0], sides[0]), (large[1], large[0])
    return (large[0], large[1]), (sides[1], sides[1])


def _cut(run: Run, side: dict[tuple[str, int], Text], limit: int) -> dict[tuple[str, int], Text] | None:
    """The completions, those above the limit (in tokens) cut there; None without the model's tokenizer."""
    over = {(r.id, r.sample) for r in run.records if r.completion_tokens > limit}
    if not over:
        return side
    folder = Path(run.manifest.model.path or run.manifest.model.name)
    if not folder.is_dir():
        return None
    from prompts.tokens import decode, load_tokenizer

    tokenizer = load_tokenizer(folder)

    def cut(text: str) -> str:
        return decode(tokenizer, tokenizer.encode(text, add_special_tokens=False)[:limit])

    return {
        place: (cut(text), gold, True) if place in over else (text, gold, truncated)
        for place, (text, gold, truncated) in side.items()
    }


def share_gap(
    base: Run,
    new: Run,
    keys: Mapping[str, tuple[str, str]],
    bundles: Mapping[str, tuple[str, ...]],
    texts: Texts,
    *,
    scored: bool = False,
    only: frozenset[str] | None = None,
) -> Gap:
    """The gap in shares: of each bundle of keys that change the completions, which `texts` gives, and of
    the rule; over the questions `only` where given. What older versions of the scorer said otherwise than
    today's is the scorer's.
    """
    records = [_by_place(run) for run in (base, new)]
    common = {row for row, _ in records[0]} & {row for row, _ in records[1]}
    ids = sorted(common if only is None else common & only)
    if not ids:
        raise UserError(f"no question could be scored in both {base.name} and {new.name}")
    rules = base.lock.rule, new.lock.rule
    players = [*bundles, *([RULE] if RULE in keys else [])]
    known: dict[tuple[frozenset[str], str], NDArray[np.float64]] = {}

    def value(changed: frozenset[str]) -> NDArray[np.float64]:
        at = changed - {RULE}, rules[RULE in changed]
        if at not in known:
            known[at] = _means(ids, {k: judged(v, at[1]) for k, v in texts(at[0]).items()})
        return known[at]

    shares = shapley(players, value)
    as_stored = [_means(ids, {k: r.outcome == "correct" for k, r in side.items()}) for side in records]
    scorer = (as_stored[1] - as_stored[0]) - sum(shares.values(), np.zeros(len(ids)))
    if SCORER in keys or np.abs(scorer).max() > 1e-9:
        shares[SCORER] = scorer
    values = {**keys, SCORER: keys.get(SCORER, ("as stored", "read again"))}
    return Gap(
        (base.name, new.name),
        len(ids),
        float(as_stored[0].mean()),
        float(as_stored[1].mean()),
        tuple(
            _share(bundles.get(player, (player,)), share, values)
            for player, share in sorted(shares.items(), key=lambda item: -abs(float(item[1].mean())))
        ),
        scored,
    )


def _share(keys: tuple[str, ...], share: NDArray[np.float64], values: Mapping[str, tuple[str, str]]) -> Share:
    mean = float(share.mean())
    ci = around(mean, mean_se(share), len(share), -1, 1)
    left, right = ("; ".join(values[key][side] for key in keys) for side in (0, 1))
    return Share(keys, mean, ci, left, right)


def player_of(keys: Sequence[str]) -> str:
    """The name under which several keys share."""
    return ", ".join(keys)


def stored(run: Run) -> dict[tuple[str, int], Text]:
    """The completions of a run with their golds, those left out that could not be scored.

    Raises UserError where the run is not complete or its rule is a function of the user's.
    """
    if not run.complete:
        raise UserError(f"{run.name} {run.manifest.unfinished}")
    if is_function(run.lock.rule):
        raise UserError(
            f"{run.name} is read by {run.lock.rule}, a function of yours: why reads by rules only"
        )
    return {place: (record.text, record.gold, record.truncated) for place, record in _by_place(run).items()}


def _by_place(run: Run) -> dict[tuple[str, int], Record]:
    return {
        (record.id, record.sample): record
        for record in run.records
        if record.outcome != "unscored" and record.finish_reason not in UNANSWERED
    }


def judged(one: Text, rule: str) -> bool:
    """Whether a completion is right under a rule, by today's scorer."""
    text, gold, truncated = one
    return judge(text, gold, rule, truncated=truncated).grade.outcome == "correct"


def _means(ids: Sequence[str], right: Mapping[tuple[str, int], bool]) -> NDArray[np.float64]:
    """The share of right samples of each question."""
    number = {row_id: at for at, row_id in enumerate(ids)}
    places = [(number[row_id], hit) for (row_id, _), hit in right.items() if row_id in number]
    which = np.array([at for at, _ in places], dtype=np.int64)
    hits = np.array([hit for _, hit in places], dtype=np.float64)
    counts = np.bincount(which, minlength=len(ids))
    means: NDArray[np.float64] = np.bincount(which, weights=hits, minlength=len(ids)) / np.maximum(counts, 1)
    return means
