"""A comparison of two runs as text: table, json, csv, markdown or latex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from evalkit.compare.diff import Diff
from evalkit.compare.rows import Listing, render_rows
from evalkit.compare.verdict import names, sentence, verdict
from evalkit.stats.pairs import moved_by_flips
from evalkit.text import Format, interval, json_text, latex, p_text, points, render_grid

MARKS = {
    "mismatch": "compared or scored under prompts that differ",
    "other task": "scored on another task than the checkpoint was trained on",
    "overlap": "trained on some of the scored questions",
    "validate on test": "the step was chosen on the questions that are scored",
}
HEADER = ("measure", "base", "new", "difference", "95 % CI", "p")


def render_diff(diff: Diff, format: Format | Literal["json"], listing: Listing | None = None) -> str:
    """The whole comparison, and questions that were asked for.

    csv holds one table: the questions where they were asked for, else one line of figures.
    """
    if format == "json":
        rows = {"rows": [row.as_dict() for row in listing.rows]} if listing else {}
        return json_text({**as_json(diff), **rows})
    shown = render_rows(listing, names(diff), format) if listing else ""
    if format == "csv":
        flat = flatten(diff)
        return shown or render_grid(list(flat), [list(flat.values())], format)
    grid = render_grid(*marked(HEADER, rows_of(diff), diff.marks), format)
    text = assemble(f"{sentence(diff)}.", grid, notes(diff), format)
    return f"{text}\n\n{shown}" if shown else text


def assemble(headline: str, grid: str, lines: Sequence[str], format: Format) -> str:
    """A sentence, a grid and notes below it, as one text of the format."""
    if format == "latex":
        return "\n".join([f"% {headline}", grid, *(f"\\par {latex(line)}" for line in lines)])
    return "\n\n".join([headline, grid, ("  \n" if format == "markdown" else "\n").join(lines)])


def as_json(diff: Diff) -> dict[str, Any]:
    """`Diff.as_dict` with the verdict and its sentence; documented in docs/diff.md."""
    return {"verdict": verdict(diff), "sentence": sentence(diff), **diff.as_dict()}


def marked(
    header: tuple[str, ...], rows: list[tuple[str, ...]], marks: tuple[str, ...]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """With a last column that marks every line, where there is anything to mark."""
    if not marks:
        return header, rows
    return (*header, "marks"), [(*row, ", ".join(marks)) for row in rows]


def rows_of(diff: Diff) -> list[tuple[str, ...]]:
    """One line a measure: both runs, the paired difference, its interval, p; in percent and points."""
    base, new = names(diff)
    prompts = (f"{side.template} {side.fingerprint}" for side in (diff.base, diff.new))
    rows: list[tuple[str, ...]] = [("run", base, new, "", "", ""), ("prompt", *prompts, "", "", "")]
    for m in diff.metrics:
        sides = [f"{points(side.value)} ({interval(*side.ci)})" for side in (m.base, m.new)]
        rows.append((m.name, *sides, points(m.delta, sign=True), interval(*m.ci), p_text(m.p_value)))
    rows.append(("skill gain", "", "", points(diff.skill_gain, sign=True), interval(*diff.skill_ci), ""))
    rows.append(("format gain", "", "", points(diff.format_gain, sign=True), interval(*diff.format_ci), ""))
    thinks = diff.base.mean_thinking_tokens is not None or diff.new.mean_thinking_tokens is not None
    shares_of = {"no answer": "no_answer", "truncated": "truncated"}
    if thinks:
        shares_of = {"no answer": "no_answer", "unfinished": "unfinished_thinking", "truncated": "truncated"}
    for label, name in shares_of.items():
        shares = getattr(diff.base, name), getattr(diff.new, name)
        change = "" if None in shares else points(shares[1] - shares[0], sign=True)
        rows.append((label, *("–" if share is None else points(share) for share in shares), change, "", ""))
    lengths = {"mean tokens": "mean_completion_tokens"}
    if thinks:
        lengths |= {"thinking tokens": "mean_thinking_tokens", "answer tokens": "mean_answer_tokens"}
    for label, name in lengths.items():
        left, right = getattr(diff.base, name), getattr(diff.new, name)
        longer = f"{right - left:+.1f}" if left is not None and right is not None else ""
        rows.append((label, *(_known(length, ".1f") for length in (left, right)), longer, "", ""))
    speeds = (_known(side.tokens_per_second, ",.0f") for side in (diff.base, diff.new))
    rows.append(("tokens per second", *speeds, "", "", ""))
    return rows


def _known(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def notes(diff: Diff) -> list[str]:
    """What else must be known of one comparison, a line each."""
    lines = [
        f"{diff.n:,} questions of {diff.new.task}: {diff.fixed:,} fixed, {diff.broken:,} broken, "
        f"{diff.both_right:,} both right, {diff.both_wrong:,} both wrong",
        f"smallest difference that they could show (80 % power): {points(diff.mde)} points",
        f"intervals and p: {diff.method}",
    ]
    for name, side in zip(names(diff), (diff.base, diff.new), strict=True):
        if side.runs > 1:
            lines.append(f"{name}: all {side.runs} complete runs, {side.samples} answers a question")
    if diff.few_discordant:
        lines.append(f"few discordant pairs ({diff.fixed + diff.broken}): the interval is rough")
    return [*lines, *caveats(diff)]


def caveats(diff: Diff) -> list[str]:
    """What puts a comparison in doubt: engine noise, questions left out, keys that differ."""
    lines = []
    if diff.noise:
        flips, n = diff.noise.flips, diff.noise.n
        moved = f"; that alone moves a difference by up to {points(moved_by_flips(flips, n))} points"
        lines.append(
            f"noise floor: {flips:,} of {n:,} answers flip when the same checkpoint is scored twice"
            f"{moved if flips else ''}"
        )
    if diff.base.left_out or diff.new.left_out:
        lines.append(
            f"left out, not in both runs: {diff.base.left_out:,} of base, {diff.new.left_out:,} of new"
        )
    if diff.unread:
        lines.append(
            "changed where an answer could not be read, neither skill nor format for certain: "
            f"{diff.unread:,} (--rows unread)"
        )
    if diff.unscored:
        lines.append(f"left out, unscored in one of the runs: {diff.unscored:,}")
    lines += [f"{mark}: {MARKS[mark]}" for mark in diff.marks if mark in MARKS]
    if diff.differences:
        keys = ", ".join(f"{d.section}.{d.key}" for d in diff.differences)
        lines.append(f"compared although they differ: {keys}")
    return lines


def flatten(diff: Diff) -> dict[str, str]:
    """The figures in one flat line; shares, as in json."""
    flat: dict[str, str] = {"n": str(diff.n), "verdict": verdict(diff)}
    for role, side in (("base", diff.base), ("new", diff.new)):
        flat[role] = side.run
        for name in ("accuracy", "lenient_accuracy", "no_answer", "truncated", "mean_completion_tokens"):
            value = getattr(side, name)
            flat[f"{role}_{name}"] = "" if value is None else f"{value:.6g}"
        flat[f"{role}_low"], flat[f"{role}_high"] = (f"{x:.6g}" for x in side.ci.as_list())
    for name in ("delta", "p_value", "mde", "skill_gain", "format_gain"):
        flat[name] = f"{getattr(diff, name):.6g}"
    for name, ci in (("delta", diff.ci), ("skill", diff.skill_ci), ("format", diff.format_ci)):
        flat[f"{name}_low"], flat[f"{name}_high"] = (f"{x:.6g}" for x in ci.as_list())
    for name in ("fixed", "broken", "both_right", "both_wrong"):
        flat[name] = str(getattr(diff, name))
    return {**flat, "marks": " ".join(diff.marks)}
