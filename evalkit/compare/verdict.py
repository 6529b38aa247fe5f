"""What a comparison means, in one sentence; and the gates for scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from evalkit.compare.diff import Diff, Side
from evalkit.stats.pairs import Interval
from evalkit.text import interval, p_text, points
from prompts.errors import Failed

ALPHA = 0.05
Verdict = Literal["better", "worse", "no difference", "undecided"]

_SHARES = (
    (0.05, "none"),
    (0.29, "a quarter"),
    (0.415, "a third"),
    (0.585, "half"),
    (0.71, "two thirds"),
    (0.87, "three quarters"),
    (0.95, "nearly all"),
    (math.inf, "all"),
)


def verdict(diff: Diff, p_value: float | None = None) -> Verdict:
    """Better or worse only where interval and test agree; "undecided" where just one of them says so.

    `p_value` replaces the comparison's own, where it was adjusted for being one of several.
    """
    return decide(diff.delta, diff.looks_ci, shared_p(diff, p_value))


def decide(delta: float, ci: Interval, p_value: float) -> Verdict:
    """The rule of `verdict`, for any difference (0.01 is a point) with its interval and p."""
    outside = ci.low > 0 or ci.high < 0
    if outside and p_value < ALPHA:
        return "better" if delta > 0 else "worse"
    return "undecided" if outside or p_value < ALPHA else "no difference"


def shared_p(diff: Diff, p_value: float | None = None) -> float:
    """The p-value times the number of looks: the error of all of them together (Bonferroni)."""
    return min(1.0, diff.looks * (diff.p_value if p_value is None else p_value))


def sentence(diff: Diff, p_value: float | None = None, tests: int = 1) -> str:
    """The verdict with its figures, without a full stop, as in "step_100 is better than step_50: +6.1 …".

    `p_value` is as in `verdict`, adjusted for so many `tests`.
    """
    base, new = names(diff)
    adjusted = [f"{tests} tests"] * (tests > 1) + [f"{diff.looks} looks"] * (diff.looks > 1)
    figures = f"{_figures(diff, ' points')}, p {p_text(shared_p(diff, p_value))}"
    if adjusted:
        figures += f" (adjusted for {' and '.join(adjusted)})"
    match verdict(diff, p_value):
        case "no difference":
            return f"no difference between {base} and {new} that {diff.n:,} questions can show: {figures}"
        case "undecided":
            return f"{new} against {base} is at the edge, interval and test disagree, no verdict: {figures}"
        case word:
            return f"{new} is {word} than {base}: {figures}{_format_part(diff)}{_unread_part(diff)}"


def _figures(diff: Diff, unit: str = "") -> str:
    return f"{points(diff.delta, sign=True)}{unit}, 95 % CI {interval(*diff.ci)}"


def names(diff: Diff) -> tuple[str, str]:
    """What to call base and new in a sentence."""
    base, new = labels([diff.base, diff.new])
    return base, new


def labels(sides: Sequence[Side]) -> list[str]:
    """What to call runs: the shortest of step or model, whole model, prompt and run that tells all apart."""
    short = [short_name(side.step, side.model) for side in sides]
    ways = [short, [side.model for side in sides], [side.template for side in sides]]
    return tell_apart(ways, [side.run for side in sides])


def short_name(step: int | None, model: str) -> str:
    """The step of a checkpoint, else the last part of the model's name."""
    return f"step_{step}" if step is not None else model.rpartition("/")[2]


def tell_apart(ways: Sequence[list[str]], otherwise: list[str]) -> list[str]:
    """The first of several ways to name runs in which no two have one name; `otherwise` where none is."""
    return next((way for way in ways if len(set(way)) == len(way)), otherwise)


def _format_part(diff: Diff) -> str:
    """How much of a gain is format; nothing where its interval holds 0, or where the parts pull apart."""
    if diff.format_ci.low <= 0 <= diff.format_ci.high or diff.delta == 0:
        return ""
    share = diff.format_gain / diff.delta
    if share < 0 or share > 1.05:
        return f"; format {points(diff.format_gain, sign=True)}, skill {points(diff.skill_gain, sign=True)}"
    return f"; {next(word for limit, word in _SHARES if share < limit)} of it is format"


def _unread_part(diff: Diff) -> str:
    """Where answers that could not be read may be all of a skill gain: so many, and how to see them."""
    if not diff.unread_explains:
        return ""
    command = f"evalkit diff {diff.base.run} {diff.new.run} --rows unread"
    return f"; {diff.unread:,} answers that no rule could read may explain it, look at them: {command}"


def check_gates(
    diff: Diff, *, fail_if_worse: float | None, require_better: bool, p_value: float | None = None
) -> None:
    """Gates for scripts; each asks for interval and p. `fail_if_worse` is a margin in points.

    Raises Failed where a gate is not met.
    """
    base, new = names(diff)
    shared = shared_p(diff, p_value)
    if fail_if_worse is not None and diff.looks_ci.high < -fail_if_worse / 100 and shared < ALPHA:
        margin = f" by more than {fail_if_worse:g} points" if fail_if_worse else ""
        figures = f"{_figures(diff)}, p {p_text(shared)}"
        raise Failed(f"gate: {new} is worse than {base}{margin}: {figures}")
    if require_better and verdict(diff, p_value) != "better":
        raise Failed(f"gate: not shown to be better: {sentence(diff, p_value)}")
