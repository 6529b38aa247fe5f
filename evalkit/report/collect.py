"""Gathers what the report shows: the table, the drawings and the questions with all completions.

All figures come from the runs' summaries and from `evalkit.compare.diff`; only the two breakdowns (by
question length and by steps of the gold solution) are counted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from evalkit.compare.columns import load_columns
from evalkit.records import Record
from evalkit.report.breakdown import length_chart, steps_chart
from evalkit.report.charts import (
    DotChart,
    FlowChart,
    Histogram,
    Label,
    Line,
    Point,
    dot_chart,
    histogram,
)
from evalkit.report.confusion import Confusion, confusions
from evalkit.report.gain_by_task import GainByTask, gain_by_task
from evalkit.report.names import short_names
from evalkit.report.pairs import compare_runs, flow_chart
from evalkit.report.paste import Paste, pastes
from evalkit.runs.folder import Run
from evalkit.runs.thinking import answer_part
from evalkit.stats.pairs import Interval
from evalkit.text import percent, share_text
from prompts.errors import UserError

COLUMNS = (
    "Run", "Questions", "Accuracy", "Delta to A", "p", "Lenient", "No answer", "Truncated", "Unscored",
    "Mean tokens",
)  # fmt: skip
THINKING_COLUMNS = ("Unfinished thinking", "Thinking tokens", "Answer tokens")
"""Shown where a run of the report thinks."""
DETAIL_COLUMNS = (
    "Folder",
    "Model",
    "Task",
    "Prompt",
    "Fingerprint",
    "Sampling",
    "Engine",
    "Tokens/s",
    "Date",
    "Marks",
)


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run in the tables: `key` is its letter, `cells` and `details` follow the two headers."""

    key: str
    cells: tuple[str, ...]
    details: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """All that templates/report.html.j2 shows; `questions` goes to the script as JSON."""

    title: str
    sentence: str
    notices: tuple[str, ...]
    remark: str
    columns: tuple[str, ...]
    detail_columns: tuple[str, ...]
    runs: tuple[RunRow, ...]
    by_task: GainByTask | None
    dot_charts: tuple[DotChart, ...]
    flow: FlowChart | None
    histogram: Histogram
    missing: tuple[str, ...]
    confusions: tuple[Confusion, ...]
    pastes: tuple[Paste, ...]
    questions: list[dict[str, Any]]


def collect(runs: Sequence[Run], solutions: Mapping[str, str], why_no_solutions: str | None) -> Page:
    """Everything the page shows of these runs, in the order given; the first is the base.

    `solutions` maps row ids to gold solution texts; where it is empty `why_no_solutions` stands on
    the page. Raises UserError where a run holds no completion, or there are too many runs.
    """
    if len(runs) > len(ascii_uppercase):
        raise UserError(f"{len(runs)} runs in one report, at most {len(ascii_uppercase)} can be told apart")
    for run in runs:
        if not run.records:
            raise UserError(f"{run.name} holds no completions, there is nothing to show; score it again")
        load_columns(run)  # refuses a file that was cut or edited
    keys = ascii_uppercase[: len(runs)]
    comparison = compare_runs(runs, keys)
    questions = _questions(runs, solutions)
    charts = [_accuracy_chart(runs, keys), length_chart(questions, runs, keys)]
    if solutions:
        charts.append(steps_chart(questions, runs, keys))
    tasks = sorted({f"{run.manifest.task} ({run.manifest.split})" for run in runs})
    thinks = any(run.summary.mean_thinking_tokens is not None for run in runs)
    columns = COLUMNS + (THINKING_COLUMNS if thinks else ())
    cells = [
        _cells(name, run, *comparison.against_first[i]) + (_thinking_cells(run) if thinks else ())
        for i, (name, run) in enumerate(zip(short_names(runs), runs, strict=True))
    ]
    return Page(
        title=f"evalkit report: {', '.join(tasks)}",
        sentence=comparison.sentence,
        notices=comparison.notices,
        remark=comparison.remark,
        columns=columns,
        detail_columns=DETAIL_COLUMNS,
        runs=tuple(
            RunRow(key=key, cells=line, details=_details(run))
            for key, line, run in zip(keys, cells, runs, strict=True)
        ),
        by_task=gain_by_task(runs, keys),
        dot_charts=tuple(charts),
        flow=flow_chart(comparison, keys),
        histogram=_lengths(runs, keys),
        missing=(f"Accuracy by number of steps is left out: {why_no_solutions}",) if why_no_solutions else (),
        confusions=confusions(runs, keys),
        pastes=pastes(comparison.sentence, columns, cells, _what(runs), len(comparison.pairs)),
        questions=questions,
    )


def _what(runs: Sequence[Run]) -> str:
    """Task, prompt and sampling of all runs in one phrase."""
    tasks = dict.fromkeys(f"{run.manifest.task}, {run.manifest.split} split" for run in runs)
    prompts = dict.fromkeys(_prompt(run) for run in runs)
    samplings = dict.fromkeys(run.manifest.sampling.sentence() for run in runs)
    return f"{'; '.join(tasks)}; prompt {', '.join(prompts)}; {'; '.join(samplings)}"


def _cells(name: str, run: Run, delta: str, p: str) -> tuple[str, ...]:
    summary = run.summary
    return (
        name,
        f"{summary.n:,}",
        share_text(summary.accuracy, summary.ci),
        delta,
        p,
        share_text(summary.lenient_accuracy, summary.lenient_ci),
        percent(summary.no_answer),
        percent(summary.truncated, "—"),
        percent(summary.unscored),
        _number(summary.mean_completion_tokens),
    )


def _thinking_cells(run: Run) -> tuple[str, ...]:
    summary = run.summary
    lengths = summary.mean_thinking_tokens, summary.mean_answer_tokens
    return (percent(summary.unfinished_thinking, "—"), *map(_number, lengths))


def _fingerprint(run: Run) -> str:
    """With the words "no lock" where the model had none, and so nothing says how it was trained."""
    said = run.manifest.prompt_from or "lock"
    return str(run.manifest.fingerprint) + (f"; {said}" if said != "lock" else "")


def _prompt(run: Run) -> str:
    return f"{run.manifest.template} ({_fingerprint(run)})"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:,.0f}"


def _details(run: Run) -> tuple[str, ...]:
    manifest = run.manifest
    engine, model = manifest.engine, manifest.model
    name = model.name + (f" at {model.revision}" if model.revision else "")
    return (
        run.name,
        name,
        f"{manifest.task}, {manifest.split}",
        str(manifest.template),
        _fingerprint(run),
        manifest.sampling.sentence(),
        f"{engine.name} {engine.version}",
        _number(run.summary.tokens_per_second),
        str(manifest.date),
        ", ".join(manifest.marks) or "none",
    )


def _questions(runs: Sequence[Run], solutions: Mapping[str, str]) -> list[dict[str, Any]]:
    """The union of the runs' questions, by id, each with the completions of every run that has it.

    `own` is the row's id in the data, where it has one and a run recorded it.
    """
    questions: dict[str, dict[str, Any]] = {}
    for i, run in enumerate(runs):
        for record in run.records:
            question = questions.setdefault(
                record.id,
                {
                    "id": record.id,
                    "own": None,
                    "question": record.question,
                    "gold": record.gold,
                    "solution": solutions.get(record.id),
                    "runs": [None] * len(runs),
                },
            )
            question["own"] = question["own"] or record.own_id
            question["runs"][i] = [*(question["runs"][i] or []), _sample(record, run)]
    return [questions[id] for id in sorted(questions)]


def _sample(record: Record, run: Run) -> dict[str, Any]:
    extraction = record.extraction
    return {
        "outcome": record.outcome,
        "reason": record.reason,
        "answer": extraction.answer,
        "rule": extraction.rule,
        "span": _utf16_span(record.text, extraction.span),
        "lenient": record.lenient_outcome,
        "tokens": _tokens(record),
        "thinking": record.thinking_tokens,
        "part": _utf16_span(record.text, answer_part(record, run.lock.reading)),
        "truncated": record.truncated,
        "text": record.text,
    }


def _tokens(record: Record) -> int | None:
    """The length of a completion; None where an imported log does not tell it."""
    return None if record.finish_reason == "unknown" else int(record.completion_tokens)


def _utf16_span(text: str, span: Sequence[int] | None) -> list[int] | None:
    """A span in the units that JavaScript counts strings in."""
    if span is None or text.isascii():
        return None if span is None else list(span)
    return [len(text[:at].encode("utf-16-le")) // 2 for at in span]


def _label(key: str, run: Run) -> Label:
    name = str(run.manifest.model.name).rstrip("/").split("/")[-1]
    return Label(label=key, below=name if len(name) <= 16 else f"…{name[-15:]}")


def _accuracy_chart(runs: Sequence[Run], keys: str) -> DotChart:
    def point(run: Run, *, lenient: bool = False) -> Point:
        summary = run.summary
        share, ci = summary.accuracy, summary.ci
        if lenient:
            share, ci = summary.lenient_accuracy, summary.lenient_ci
        return Point(share=share, interval=Interval(*ci), n=summary.n)

    return dot_chart(
        id="curve",
        title="Accuracy" if len(runs) < 3 else "Learning curve",
        note="In the order given; bars are 95 % intervals. Lenient reads answers that lack the asked marker.",
        labels=[_label(key, run) for key, run in zip(keys, runs, strict=True)],
        lines=[
            Line(name="strict", colour="strict", points=[point(run) for run in runs]),
            Line(
                name="lenient",
                colour="lenient",
                dashed=True,
                points=[point(run, lenient=True) for run in runs],
            ),
        ],
    )


def _lengths(runs: Sequence[Run], keys: str) -> Histogram:
    return histogram(
        id="lengths",
        title="Completion length",
        note="Completions by their number of tokens; the red part was cut off at the limit.",
        runs=[
            (
                f"{key} {run.name}",
                [(tokens, r.truncated) for r in run.records if (tokens := _tokens(r)) is not None],
            )
            for key, run in zip(keys, runs, strict=True)
        ],
    )
