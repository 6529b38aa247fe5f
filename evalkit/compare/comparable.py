"""May runs be compared? Names each key in which they differ although it must be equal."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import Any

from evalkit.compare.align import Aligned
from evalkit.locks.difference import SCORER_KEY, describe, rescore_command
from evalkit.models.computation import computation_differences, is_same_shape
from evalkit.runs.folder import Run
from evalkit.runs.manifest import Manifest
from prompts.errors import Mismatch, UserError
from prompts.lock import Difference, difference_of_locks
from prompts.reading.thinking import VERSION as THINKING

ROW_KEYS = ("rows missing", "rows added")


def check_comparable(
    runs: Sequence[Run], aligned: Aligned, *, common: bool, allow_mismatch: bool
) -> list[list[Difference]]:
    """For each run the keys in which it differs from the first; empty unless `allow_mismatch` is given.

    Raises UserError where no question is left to compare, Mismatch where keys or rows differ and
    that was not asked for: every key with both values, and the option that allows it.
    """
    if aligned.n == 0:
        names = ", ".join(run.name for run in runs)
        if aligned.unscored:
            worst = max(runs, key=lambda run: (run.manifest.counts or {}).get("unscored", 0))
            show = f"evalkit show {quote(worst.name)} --outcome unscored"
            raise UserError(f"no question could be scored in all of them: {names}; why not: {show}")
        raise UserError(f"no question is in all of them: {names}; {_same_texts(runs)}")
    found = [run_differences(runs[0], run) for run in runs]
    rows = any(aligned.left_out) and not (common or allow_mismatch)
    unlike = [(run, keys) for run, keys in zip(runs, found, strict=True) if keys and not allow_mismatch]
    if unlike or rows:
        raise Mismatch(_message(runs, unlike, rows), _detail(runs, aligned, unlike, rows))
    return found


def _same_texts(runs: Sequence[Run]) -> str:
    """What to do about runs without a common row: whether their questions read alike all the same."""
    texts = [{record.question for record in run.records} for run in runs]
    if not (alike := len(set.intersection(*texts))):
        return "compare runs of the same task and split"
    return (
        f"{alike} of their questions read alike, but a row is also its gold and the other columns that its "
        "prompt shows: compare prompts with the same {placeholders} and runs with the same golds"
    )


def _message(runs: Sequence[Run], unlike: Sequence[tuple[Run, list[Difference]]], rows: bool) -> str:
    if not unlike:
        return "the runs hold different questions; compare them on those they share: --common"
    names = " and ".join(run.name for run, _ in unlike)
    count = sum(len(keys) for _, keys in unlike)
    return (
        f"{names} cannot be compared with {runs[0].name}: {count} {'key' if count == 1 else 'keys'} "
        f"{'differ' if count > 1 else 'differs'}{' and the questions too' if rows else ''}; "
        f"{_rescore(runs, unlike)}--allow-mismatch compares all the same and marks every line"
    )


def _rescore(runs: Sequence[Run], unlike: Sequence[tuple[Run, list[Difference]]]) -> str:
    """The command for runs that older versions of rule and scorer judged; empty where more differs."""
    if not unlike or not all(_is_version(key) for _, keys in unlike for key in keys):
        return ""
    from evalkit.extract.rules import resolve_rule
    from evalkit.grade.grade import SCORER_VERSION

    old = [
        run.folder
        for run in runs
        if run.lock.reading["scorer"].get("version") != SCORER_VERSION
        or resolve_rule(run.lock.rule.partition("@")[0])[0] != run.lock.rule
        or (run.lock.reading.get("thinking") or {}).get("version", THINKING) != THINKING
    ]
    return f"{rescore_command(*old)}; " if old else ""


def _is_version(key: Difference) -> bool:
    """Whether a key is a version of the reading (scorer, rule, thinking), which `rescore` evens out."""
    if key.key == "scorer.rule":
        return str(key.left).partition("@")[0] == str(key.right).partition("@")[0]
    return key.key in (SCORER_KEY, "thinking.version")


def _detail(
    runs: Sequence[Run], aligned: Aligned, unlike: Sequence[tuple[Run, list[Difference]]], rows: bool
) -> str:
    """One line a key with both values, and how many questions each run holds where that differs."""
    lines = []
    for run, keys in unlike:
        lines.append(f"{runs[0].name} | {run.name}")
        lines.append(describe(keys))
    if rows:
        shared = aligned.n + aligned.unscored
        lines.append(f"questions in all of them: {shared:,}")
        lines += [f"  {run.name}: {shared + out:,}" for run, out in zip(runs, aligned.left_out, strict=True)]
    return "\n".join(lines)


def run_differences(base: Run, new: Run) -> list[Difference]:
    """Every key of lock, task and sampling that differs between two runs, rows of one side left aside.

    Not counted: the seed (another draw from the same distribution is comparable). The probe stands
    last: it follows from the keys before it.

    Raises UserError where a run has no lock, Mismatch where its lock was edited.
    """
    found = [] if base.lock is new.lock else difference_of_locks(base.lock, new.lock)
    found = [d for d in found if not (d.section == "data" and d.key in ROW_KEYS)]
    budgets = [run.lock.thinking_budget for run in (base, new)]
    if None in budgets and budgets[0] != budgets[1]:  # no budget is none, not one that was not recorded
        found.append(Difference("reading", "thinking.budget", *budgets))
    named = {d.key for d in found}
    for key, left, right in _manifest_pairs(base, new):
        if left != right and key.split(".")[-1] not in named:
            found.append(Difference("manifest", key, left, right))
    found = [d for d in found if d.key.split(".")[-1] != "seed"]
    found += [Difference("config.json", *entry) for entry in _computed_otherwise(base, new)]
    found += [Difference("manifest", *entry) for entry in _limits(base, new)]
    return sorted(found, key=lambda d: d.key.startswith("probe."))


def _computed_otherwise(base: Run, new: Run) -> list[tuple[str, Any, Any]]:
    """What config.json made one model compute in two ways; two different models may differ in it."""
    left, right = (run.lock.carries.get("computation") for run in (base, new))
    weights = [run.manifest.model.weights_sha256 for run in (base, new)]
    if not is_same_shape(left, right) and weights[0] != weights[1]:
        return []
    return computation_differences(left, right)


def computed_otherwise(base: Manifest, new: Manifest) -> set[str]:
    """Marks of a comparison across engines or number formats; what a run did not record is no difference."""
    engines = {side.engine.name for side in (base, new)}
    formats = {_number_format(side) for side in (base, new)}
    marks = {"other engine": engines, "other number format": formats}
    return {mark for mark, values in marks.items() if len(values) == 2 and None not in values}


def _number_format(manifest: Manifest) -> str | None:
    asked = manifest.engine.dtype
    name = manifest.engine.computes_in or (None if asked == "auto" else asked)
    return name and name.removeprefix("torch.")


def _limits(base: Run, new: Run) -> list[tuple[str, Any, Any]]:
    """The positions that prompt and completion had, where they differ and the smaller number may have cut."""
    left, right = (run.manifest.engine.limit for run in (base, new))
    if left is None or right is None or left == right:
        return []
    longest = max((record.prompt_tokens or 0 for run in (base, new) for record in run.records), default=0)
    asked = max(run.manifest.sampling.max_tokens or 0 for run in (base, new))
    return [("engine.limit", left, right)] if longest + asked > min(left, right) else []


def _manifest_pairs(base: Run, new: Run) -> list[tuple[str, Any, Any]]:
    """Keys of the manifests that both record, with both values."""
    left, right = base.manifest, new.manifest
    pairs: list[tuple[str, Any, Any]] = [("task", left.task, right.task), ("split", left.split, right.split)]
    drawn, others = left.sampling.as_dict(), right.sampling.as_dict()
    pairs += [(f"sampling.{name}", drawn[name], others[name]) for name in sorted(drawn)]
    return [pair for pair in pairs if None not in pair[1:]]
