"""Accuracy over parts of the questions: by their length, and by the steps of their gold solutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.report.charts import DotChart, Label, Line, Point, colour_of, dot_chart
from evalkit.runs.folder import Run
from evalkit.stats.pairs import wilson
from evalkit.stats.samples import around, mean_se


def length_chart(questions: Sequence[dict[str, Any]], runs: Sequence[Run], keys: str) -> DotChart:
    """Accuracy over fifths of the questions by their length."""
    lengths = sorted(len(question["question"]) for question in questions)
    edges = sorted({lengths[max(0, len(lengths) * i // 5 - 1)] for i in range(1, 6)})
    labels = []
    for i, edge in enumerate(edges):
        first = lengths[0] if i == 0 else edges[i - 1] + 1
        labels.append(Label(label=f"{first:,}–{edge:,}" if first < edge else f"{edge:,}", below="characters"))
    return dot_chart(
        id="by-length",
        title="Accuracy by question length",
        note="Fifths of the questions; bars are 95 % intervals over questions.",
        labels=labels,
        lines=_breakdown(
            questions,
            runs,
            keys,
            len(edges),
            lambda q: next(i for i, e in enumerate(edges) if len(q["question"]) <= e),
        ),
    )


def count_steps(solution: str) -> int:
    """Reasoning steps of a gold solution: its lines, but for empty ones and the `####` line."""
    return sum(1 for line in solution.splitlines() if line.strip() and not line.startswith("####"))


def steps_chart(questions: Sequence[dict[str, Any]], runs: Sequence[Run], keys: str) -> DotChart:
    """Accuracy over the number of steps; the last place takes all that fewer than 20 questions have."""
    known = [question for question in questions if question["solution"]]
    steps = [count_steps(question["solution"]) for question in known]
    low, last = min(steps), max(steps)
    while last > low and sum(step >= last for step in steps) < 20:
        last -= 1
    labels = [
        Label(label=f"{step}{' or more' if step == last and max(steps) > last else ''}", below="steps")
        for step in range(low, last + 1)
    ]
    return dot_chart(
        id="by-steps",
        title="Accuracy by number of steps in the gold solution",
        note=f"{len(known):,} questions with a known gold solution; bars are 95 % intervals over questions.",
        labels=labels,
        lines=_breakdown(
            known, runs, keys, len(labels), lambda q: min(last, count_steps(q["solution"])) - low
        ),
    )


def _breakdown(
    questions: Sequence[dict[str, Any]],
    runs: Sequence[Run],
    keys: str,
    places: int,
    place_of: Callable[[dict[str, Any]], int],
) -> list[Line]:
    """One line a run: the share of right answers among the questions of each place.

    Several samples of a question count as their mean: they are not independent.
    """
    where = [place_of(question) for question in questions]
    lines = []
    for i, run in enumerate(runs):
        values: list[list[float]] = [[] for _ in range(places)]
        for place, question in zip(where, questions, strict=True):
            samples = question["runs"][i] or ()
            scored = [sample["outcome"] == "correct" for sample in samples if sample["outcome"] != "unscored"]
            if scored:
                values[place].append(sum(scored) / len(scored))
        points = [_point(np.array(place)) if place else None for place in values]
        lines.append(Line(name=f"{keys[i]} {run.name}", points=points, colour=colour_of(i)))
    return lines


def _point(values: NDArray[np.float64]) -> Point:
    """The mean of one value a question: Wilson's interval where all are 0 or 1, else Student's."""
    n, mean = len(values), float(values.mean())
    if set(values) <= {0.0, 1.0}:
        return Point(share=mean, interval=wilson(int(values.sum()), n), n=n)
    return Point(share=mean, interval=around(mean, mean_se(values), n, 0, 1), n=n)
