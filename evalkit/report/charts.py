"""Where the marks of the report's drawings stand, in SVG units; templates/charts.svg.j2 draws them.

Drawn by hand and not by a plotting library: the page's policy forbids the inline style attributes
that those write, and colours must follow the reader's light or dark setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from evalkit.stats.pairs import Interval
from evalkit.text import percent, share_text

WIDTH = 560
LEFT, RIGHT, TOP, BOTTOM = 54, 6, 10, 44
COLOURS = 8


def colour_of(run: int) -> str:
    """The CSS class with the colour of a run, by its place on the page; no other thing has one of these."""
    return f"s{run % COLOURS}"


@dataclass(frozen=True, kw_only=True)
class Point:
    """A share (0 to 1) with its 95 % interval, of n questions."""

    share: float
    interval: Interval
    n: int

    @property
    def text(self) -> str:
        return f"{share_text(self.share, self.interval)} of {self.n:,}"


@dataclass(frozen=True, kw_only=True)
class Label:
    label: str
    below: str
    at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Tick:
    label: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Mark:
    x: float
    y: float
    top: float
    bottom: float
    tip: str


@dataclass(frozen=True, kw_only=True)
class Series:
    name: str
    colour: str
    dashed: bool
    marks: tuple[Mark, ...]
    line: str
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DotChart:
    """Shares with intervals over a few places on the x axis, one line a series."""

    id: str
    title: str
    note: str
    labels: tuple[Label, ...]
    ticks: tuple[Tick, ...]
    series: tuple[Series, ...]
    width: int = WIDTH
    height: int = 250


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a series shows, before it has a place: a point, or None, for each label. `colour`: a CSS class."""

    name: str
    points: Sequence[Point | None]
    colour: str
    dashed: bool = False


def dot_chart(*, id: str, title: str, note: str, labels: Sequence[Label], lines: Sequence[Line]) -> DotChart:
    """Place the points of several lines side by side above each label."""
    points = [point for line in lines for point in line.points if point is not None]
    low = max(0, floor(10 * min((p.interval.low for p in points), default=0.0)))
    high = min(10, max(low + 1, ceil(10 * max((p.interval.high for p in points), default=1.0))))
    bottom, span = 250 - BOTTOM, 250 - BOTTOM - TOP

    def y(share: float) -> float:
        return round(bottom - span * (10 * share - low) / (high - low), 1)

    column = (WIDTH - LEFT - RIGHT) / max(1, len(labels))
    shift = min(14.0, 0.7 * column / max(1, len(lines)))
    centres = [LEFT + column * (i + 0.5) for i in range(len(labels))]
    series = []
    for j, line in enumerate(lines):
        marks = []
        for label, centre, point in zip(labels, centres, line.points, strict=True):
            if point is None:
                continue
            marks.append(
                Mark(
                    x=round(centre + shift * (j - (len(lines) - 1) / 2), 1),
                    y=y(point.share),
                    top=y(point.interval.high),
                    bottom=y(point.interval.low),
                    tip=f"{line.name}, {label.label} {label.below}: {point.text}",
                )
            )
        series.append(
            Series(
                name=line.name,
                colour=line.colour,
                dashed=line.dashed,
                marks=tuple(marks),
                line=" ".join(f"{mark.x},{mark.y}" for mark in marks),
                cells=tuple("—" if point is None else point.text for point in line.points),
            )
        )
    every = 2 if high - low > 5 else 1
    return DotChart(
        id=id,
        title=title,
        note=note,
        labels=tuple(
            Label(label=label.label, below=label.below, at=round(centre, 1))
            for label, centre in zip(labels, centres, strict=True)
        ),
        ticks=tuple(Tick(label=f"{10 * t} %", at=y(t / 10)) for t in range(low, high + 1, every)),
        series=tuple(series),
    )


@dataclass(frozen=True, kw_only=True)
class FlowPart:
    kind: str
    x: float
    width: float
    count: int
    tip: str


@dataclass(frozen=True, kw_only=True)
class FlowBar:
    name: str
    text: str
    parts: tuple[FlowPart, ...]


@dataclass(frozen=True, kw_only=True)
class FlowChart:
    """What became of the questions from one run to another, one bar a pair."""

    id: str
    title: str
    note: str
    bars: tuple[FlowBar, ...]
    width: int = WIDTH


def flow_bar(name: str, n: int, *, both_right: int, fixed: int, broken: int, both_wrong: int) -> FlowBar:
    """One pair over n questions. With several samples some stay partly right; they are shown apart."""
    counts = {"both-right": both_right, "fixed": fixed, "broken": broken, "both-wrong": both_wrong}
    if rest := n - sum(counts.values()):
        counts["equally-often-right"] = rest
    total = max(1, sum(counts.values()))
    parts, at = [], 0.0
    for kind, count in counts.items():
        width = round(WIDTH * count / total, 1)
        parts.append(FlowPart(kind=kind, x=round(at, 1), width=width, count=count, tip=f"{kind}: {count:,}"))
        at += width
    text = ", ".join(f"{count:,} {kind.replace('-', ' ')}" for kind, count in counts.items())
    return FlowBar(name=name, text=text, parts=tuple(parts))


@dataclass(frozen=True, kw_only=True)
class Bar:
    x: float
    width: float
    y: float
    height: float
    cut_y: float
    cut: float
    tip: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    name: str
    colour: str
    text: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Completion lengths, one panel a run, truncated completions on top of each bar."""

    id: str
    title: str
    note: str
    panels: tuple[Panel, ...]
    ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = 90


def histogram(
    *, id: str, title: str, note: str, runs: Sequence[tuple[str, Sequence[tuple[int, bool]]]]
) -> Histogram:
    """`runs`: for each its name and, for each completion, its tokens and whether it was truncated."""
    longest = max((tokens for _, lengths in runs for tokens, _ in lengths), default=1)
    size = max(1, ceil((longest + 1) / 24))
    count = longest // size + 1
    width = WIDTH / count
    panels = []
    for run, (name, lengths) in enumerate(runs):
        done, cut = [0] * count, [0] * count
        for tokens, truncated in lengths:
            (cut if truncated else done)[tokens // size] += 1
        top = max(1, *(d + c for d, c in zip(done, cut, strict=True)))
        bars = []
        for i, (d, c) in enumerate(zip(done, cut, strict=True)):
            height, cut_height = round(70 * d / top, 1), round(70 * c / top, 1)
            bars.append(
                Bar(
                    x=round(i * width, 1),
                    width=round(width * 0.9, 1),
                    y=round(72 - height, 1),
                    height=height,
                    cut_y=round(72 - height - cut_height, 1),
                    cut=cut_height,
                    tip=f"{i * size} to {(i + 1) * size - 1} tokens: {d + c:,} completions, {c:,} truncated",
                )
            )
        panels.append(
            Panel(name=name, colour=colour_of(run), text=_lengths_in_words(lengths), bars=tuple(bars))
        )
    every = max(1, count // 6)
    ticks = tuple(
        Tick(label=f"{i * size:,}", at=round((i + 0.45) * width, 1)) for i in range(0, count, every)
    )
    return Histogram(id=id, title=title, note=note, panels=tuple(panels), ticks=ticks)


def _lengths_in_words(lengths: Sequence[tuple[int, bool]]) -> str:
    if not lengths:
        return "lengths are not known"
    mean = sum(tokens for tokens, _ in lengths) / len(lengths)
    cut = sum(truncated for _, truncated in lengths)
    return f"mean {mean:.0f} tokens, {percent(cut / len(lengths))} truncated ({cut:,} of {len(lengths):,})"
