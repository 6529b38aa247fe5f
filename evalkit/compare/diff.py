"""Two runs compared question by question: `diff_runs(base, new)`.

What each number means and where its formula comes from: docs/diff.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.compare.align import Aligned, Questions, align
from evalkit.compare.columns import NO_ANSWER, AnswerClasses, load_columns, pooled
from evalkit.compare.comparable import check_comparable, computed_otherwise
from evalkit.compare.measures import Metric, accuracy, metrics_of, minimum_detectable, shared_interval
from evalkit.compare.unread import explains, unread_questions
from evalkit.locks.difference import renamed
from evalkit.runs.find import checkpoint_of
from evalkit.runs.folder import Run
from evalkit.runs.manifest import NoiseFloor
from evalkit.runs.section import PaidReward, Section
from evalkit.stats.pairs import Interval
from evalkit.stats.samples import paired_bootstrap
from prompts.lock import Difference

FEW_DISCORDANT = 8
"""Below this many discordant pairs an interval rests on next to nothing, and the table says so."""

ONLY_SOME = ("unfinished_thinking", "mean_thinking_tokens", "mean_answer_tokens", "renamed", "reward")
"""Keys that only runs with thinking or a shaped reward have, and one prompt under two names."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One run over the questions that are compared, or all `runs` of a model under the newest one's name;
    shares of its scored completions.
    """

    run: str
    model: str
    step: int | None
    accuracy: float
    ci: Interval
    lenient_accuracy: float
    lenient_ci: Interval
    samples: int
    no_answer: float
    truncated: float | None
    mean_completion_tokens: float | None
    tokens_per_second: float | None
    unfinished_thinking: float | None = None
    mean_thinking_tokens: float | None = None
    mean_answer_tokens: float | None = None
    task: str
    template: str
    fingerprint: str
    left_out: int
    marks: tuple[str, ...]
    runs: int = 1
    reward: PaidReward | None = None


@dataclass(frozen=True, kw_only=True)
class Diff:
    """The paired comparison of two runs. Shares, not points; `as_dict` is what `--format json` prints.

    `unread` counts questions that changed where an answer could not be read (evalkit/compare/unread.py).
    The verdict is asked `looks` times in all: it uses p times as much, and `looks_ci`. `renamed` is a
    sentence where both runs read one text under two names.
    """

    n: int
    base: Side
    new: Side
    delta: float
    ci: Interval
    p_value: float
    fixed: int
    broken: int
    both_right: int
    both_wrong: int
    mde: float
    format_gain: float
    format_ci: Interval
    skill_gain: float
    skill_ci: Interval
    metrics: tuple[Metric, ...]
    method: str
    unscored: int
    noise: NoiseFloor | None
    marks: tuple[str, ...]
    renamed: str | None
    differences: tuple[Difference, ...]
    unread: int
    unread_explains: bool
    looks: int
    looks_ci: Interval

    @property
    def few_discordant(self) -> bool:
        return self.fixed + self.broken < FEW_DISCORDANT

    def as_dict(self) -> dict[str, Any]:
        return {**plain(self), "few_discordant": self.few_discordant}


def plain(value: Any) -> Any:
    """Dataclasses as JSON values, an interval as [low, high]."""
    if isinstance(value, Interval):
        return value.as_list()
    if isinstance(value, Section):
        return value.merged(None)
    if hasattr(value, "__dataclass_fields__"):
        values = {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
        return {name: value for name, value in values.items() if value is not None or name not in ONLY_SOME}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@dataclass(frozen=True)
class LinedUp:
    """Runs that may be compared, over the same questions.

    `differences` holds, for each run, the keys in which it was allowed to differ from the first.
    """

    runs: tuple[Run, ...]
    aligned: Aligned
    differences: tuple[list[Difference], ...]
    pooled: tuple[int, ...] = ()

    def runs_of(self, at: int) -> int:
        """How many runs stand for this one."""
        return self.pooled[at] if self.pooled else 1


def diff_runs(base: Run, new: Run, *, common: bool = False, allow_mismatch: bool = False) -> Diff:
    """Compare two complete runs question by question.

    `common` compares runs of different rows on those they share; `allow_mismatch` compares runs
    that were read or drawn differently as well, and marks the result.

    Raises UserError where a run cannot be read or they share no question, Mismatch where they
    differ in what must be equal.
    """
    return compare_pair(line_up([base, new], common=common, allow_mismatch=allow_mismatch), 0, 1)


def line_up(runs: Sequence[Run], *, common: bool = False, allow_mismatch: bool = False) -> LinedUp:
    """Read runs, check that they may be compared, and take the questions that all hold.

    Raises as `diff_runs` does.
    """
    aligned = align([load_columns(run) for run in runs])
    found = check_comparable(runs, aligned, common=common, allow_mismatch=allow_mismatch)
    return LinedUp(tuple(runs), aligned, tuple(found))


def line_up_all(
    sides: Sequence[Sequence[Run]], *, common: bool = False, allow_mismatch: bool = False
) -> LinedUp:
    """As `line_up`, with all runs of each side, the newest first, taken as samples of one model."""
    runs, answers = [run for side in sides for run in side], AnswerClasses()
    columns = [load_columns(run, answers) for run in runs]
    found = check_comparable(runs, align(columns), common=common, allow_mismatch=allow_mismatch)
    starts = [sum(len(side) for side in sides[:i]) for i in range(len(sides))]
    parts = [pooled(columns[start : start + len(side)]) for start, side in zip(starts, sides, strict=True)]
    return LinedUp(
        tuple(side[0] for side in sides),
        align(parts),
        tuple(found[start] for start in starts),
        tuple(len(side) for side in sides),
    )


def compare_pair(lined_up: LinedUp, base_at: int, new_at: int, looks: int = 1) -> Diff:
    """Compare two of the runs that were lined up, by their places; the question is asked `looks` times."""
    aligned, pair = lined_up.aligned, (base_at, new_at)
    found = [d for i in pair for d in lined_up.differences[i]]
    base, new = (aligned.runs[i] for i in pair)
    metrics = metrics_of(base, new)
    sides = [
        side_of(lined_up.runs[i], aligned.runs[i], aligned.left_out[i], lined_up.runs_of(i)) for i in pair
    ]
    unread = unread_questions(base, new)
    strict = (base.correct / base.samples, new.correct / new.samples)
    lenient = new.lenient / new.samples - base.lenient / base.samples
    form = strict[1] - strict[0] - lenient
    skill_ci, format_ci = paired_bootstrap(lenient, form)
    fixed, broken = int((strict[1] > strict[0]).sum()), int((strict[1] < strict[0]).sum())
    single = base.single and new.single
    marks = {mark for side in sides for mark in side.marks} | ({"mismatch"} if found else set())
    marks |= computed_otherwise(*(lined_up.runs[i].manifest for i in pair))
    return Diff(
        n=aligned.n,
        base=sides[0],
        new=sides[1],
        delta=metrics[0].delta,
        ci=metrics[0].ci,
        p_value=metrics[0].p_value,
        fixed=fixed,
        broken=broken,
        both_right=int(((strict[0] == 1) & (strict[1] == 1)).sum()),
        both_wrong=int(((strict[0] == 0) & (strict[1] == 0)).sum()),
        mde=minimum_detectable(base, new),
        format_gain=float(form.mean()),
        format_ci=format_ci,
        skill_gain=float(lenient.mean()),
        skill_ci=skill_ci,
        metrics=metrics,
        method="exact McNemar, Tango"
        if single
        else "clustered by question; a question is fixed or broken where its mean rises or falls",
        unscored=aligned.unscored,
        noise=_noise([lined_up.runs[i] for i in pair]),
        marks=tuple(sorted(marks)),
        renamed=renamed(*(lined_up.runs[i].lock for i in pair)),
        differences=tuple(found),
        unread=int(unread.sum()),
        unread_explains=bool(unread.any()) and explains(base, new, unread),
        looks=looks,
        looks_ci=shared_interval(base, new, metrics[0], looks),
    )


def side_of(run: Run, questions: Questions, left_out: int, runs: int = 1) -> Side:
    """What is shown of one run, or of several of one model."""
    strict, lenient = accuracy(questions), accuracy(questions, lenient=True)
    completions = questions.completions
    checkpoint = checkpoint_of(run)
    return Side(
        run=run.name,
        model=run.manifest.model.name,
        step=checkpoint[1] if checkpoint else None,
        accuracy=strict.value,
        ci=strict.ci,
        lenient_accuracy=lenient.value,
        lenient_ci=lenient.ci,
        samples=int(questions.samples.max()),
        no_answer=float((completions.outcome == NO_ANSWER).mean()),
        truncated=float(completions.truncated.mean()) if run.summary.truncated is not None else None,
        mean_completion_tokens=float(completions.tokens.mean()) if completions.tokens.any() else None,
        tokens_per_second=run.summary.tokens_per_second,
        unfinished_thinking=run.summary.unfinished_thinking,
        mean_thinking_tokens=run.summary.mean_thinking_tokens,
        mean_answer_tokens=run.summary.mean_answer_tokens,
        task=f"{run.manifest.task} {run.manifest.split}",
        template=run.manifest.template,
        fingerprint=run.manifest.fingerprint,
        left_out=left_out,
        marks=tuple(run.manifest.marks or ()),
        runs=runs,
        reward=run.manifest.reward,
    )


def _noise(runs: Sequence[Run]) -> NoiseFloor | None:
    """The measured noise floor of the runs, the larger share where both have one."""
    measured = [run.manifest.noise for run in runs if run.manifest.noise]
    return max(measured, key=lambda noise: noise.flips / noise.n, default=None)
