"""Runs as rows of a table: one line a run, or the figures of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from evalkit.runs.folder import Run
from evalkit.runs.manifest import Manifest, Summary
from evalkit.text import interval, json_text, percent, points, render_grid

Format = Literal["table", "json", "csv", "markdown"]


def render_runs(runs: Sequence[Run], format: Format) -> str:
    """One line a run: model, task, prompt, fingerprint, accuracy with interval, date, marks."""
    if format == "json":
        return json_text(
            [
                {"name": run.name, **run.manifest.as_dict(), "summary": s and s.as_dict()}
                for run in runs
                for s in [_summary(run)]
            ]
        )
    header = ["run", "model", "task", "prompt", "fingerprint", "accuracy", "95 % CI", "date", "marks"]
    return render_grid(header, [_line(run) for run in runs], format)


def render_result(run: Run, format: Format) -> str:
    """The figures of one run, with where it lies."""
    if format == "json":
        return json_text({"run": str(run.folder), **run.summary.as_dict()})
    if format == "table":
        return "\n".join(f"{name:<13}{value}" for name, value in figures(run))
    return render_grid(["figure", "value"], figures(run), format)


def figures(run: Run) -> list[list[str]]:
    """Name and value of everything that a person wants to know of a finished run."""
    summary, manifest = run.summary, run.manifest
    sampling, length, cut = manifest.sampling, summary.mean_completion_tokens, summary.truncated
    rows = [
        ["model", manifest.model.name],
        [
            "task",
            f"{manifest.task}, {manifest.split}, {summary.n:,} of {manifest.rows or summary.n:,} rows scored",
        ],
        ["prompt", f"{manifest.template}, fingerprint {manifest.fingerprint}"],
        *([["lock", said]] if (said := manifest.prompt_from or "lock") != "lock" else []),
        ["accuracy", f"{percent(summary.accuracy)}  (95 % CI {interval(*summary.ci)})"],
        ["lenient", f"{percent(summary.lenient_accuracy)}  (95 % CI {interval(*summary.lenient_ci)})"],
        ["no answer", percent(summary.no_answer)],
        *_thinking(summary),
        ["truncated", f"{percent(cut)} at {sampling.max_tokens} tokens" if cut is not None else "–"],
        ["unscored", percent(summary.unscored) + _reasons(summary.unscored_reasons)],
        ["mean length", f"{length:.1f} tokens" if length is not None else "–"],
        ["speed", f"{summary.tokens_per_second:,.0f} tokens/s" if summary.tokens_per_second else "–"],
        ["run", str(run.folder)],
    ]
    if sampling.samples > 1:
        rows.insert(3, ["samples", f"{sampling.samples} a question, temperature {sampling.temperature}"])
    if manifest.sequential and manifest.sequential.asked is not None:
        rows.append(["decided", decision_sentence(manifest)])
    if manifest.marks:
        rows.append(["marks", ", ".join(manifest.marks)])
    return rows


def decision_sentence(manifest: Manifest) -> str:
    """What was decided against which run, after how many questions, with the interval at that moment."""
    found = manifest.sequential
    if found is None or found.asked is None or found.delta is None or found.ci is None:
        return "not yet"
    questions = f"{found.asked:,} of {manifest.rows or found.asked:,} questions"
    said = {
        "better": f"better than {found.against}",
        "worse": f"worse than {found.against}",
        "equal": f"within {points(found.margin)} points of {found.against} on all questions",
    }.get(found.verdict or "", f"no difference from {found.against} that they can show")
    level = 100 * (1 - found.alpha)
    figures = f"{points(found.delta, sign=True)} points, {level:g} % CI {interval(*found.ci)} at this moment"
    return f"after {questions}: {said}: {figures}"


def _thinking(summary: Summary) -> list[list[str]]:
    """Thinking that was cut off, and how long it was; nothing of models that do not think."""
    unfinished, before, after = (
        summary.unfinished_thinking,
        summary.mean_thinking_tokens,
        summary.mean_answer_tokens,
    )
    if unfinished is None or before is None or after is None:
        return []
    return [
        ["unfinished", f"{percent(unfinished)} never closed their thinking (part of no answer)"],
        ["thinking", f"{before:.1f} tokens, then {after:.1f} of answer"],
    ]


def _line(run: Run) -> list[str]:
    manifest, summary = run.manifest, _summary(run)
    return [
        run.name,
        manifest.model.name,
        f"{manifest.task} {manifest.split}",
        manifest.template,
        manifest.fingerprint,
        percent(summary.accuracy) if summary else manifest.status,
        interval(*summary.ci) if summary else "",
        manifest.date[:16].replace("T", " "),
        ", ".join(manifest.marks),
    ]


def _summary(run: Run) -> Summary | None:
    return run.summary if run.complete else None


def _reasons(reasons: dict[str, int]) -> str:
    return f"  ({', '.join(f'{count} {reason}' for reason, count in reasons.items())})" if reasons else ""
