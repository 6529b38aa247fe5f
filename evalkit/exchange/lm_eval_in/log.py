"""Reads a sample log of lm-evaluation-harness 0.4 (samples_TASK_DATE.jsonl) and its results file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from evalkit.exchange.lm_eval import METRIC
from evalkit.exchange.lm_eval_in.results import read_results
from evalkit.exchange.lm_eval_in.sample import as_today
from prompts.errors import UserError
from prompts.files import BOM

_OTHER_KEYS = ("doc_id", "filter", "doc_hash", "prompt_hash", "target_hash")
NEEDED = ("doc_id", "doc", "target", "arguments", "resps", "filtered_resps")
DEFAULT_FILTERS = ("strict-match", "strict", "none")
_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>[^_]+)")


@dataclass(frozen=True, kw_only=True)
class SampleLog:
    """The lines of one filter, by `doc_id`. `results` is {} where no results file lies beside the log.

    `replaced` counts lines in which something was no valid text and now reads U+FFFD.
    """

    path: Path
    task: str
    date: datetime
    filter: str
    lines: list[dict[str, Any]]
    results: Mapping[str, Any] = field(default_factory=dict)
    replaced: int = 0

    @cached_property
    def metrics(self) -> list[str]:
        """The metrics that its lines hold; logs from before 0.4.7 do not list them."""
        first = self.lines[0]
        named = first.get("metrics")
        if isinstance(named, list):
            return [str(name) for name in named]
        numbers = (name for name, value in first.items() if isinstance(value, int | float))
        return [name for name in numbers if name not in _OTHER_KEYS]

    @cached_property
    def metric(self) -> str:
        """The metric that says right or wrong: exact_match, else the first that is 1 or 0 on every line."""
        verdicts = [name for name in self.metrics if all(line.get(name) in (0, 1) for line in self.lines)]
        chosen = [name for name in (METRIC, *verdicts, *self.metrics) if name in self.metrics]
        return next((name for name in chosen if name in verdicts), chosen[0] if chosen else METRIC)


def find_logs(path: Path) -> list[Path]:
    """The sample logs of a path: itself, or those below a folder. UserError where there are none."""
    if not path.is_dir():
        return [path]
    logs = sorted(path.rglob("samples_*.jsonl"))
    if not logs:
        raise UserError(
            f"{path} holds no samples_*.jsonl; run lm-eval with --log_samples --output_path {path}"
        )
    return logs


def read_sample_log(path: Path, filter: str | None) -> SampleLog:
    """Read the lines of one filter: the one asked for, the only one, or the strict one.

    Raises UserError where the file cannot be read, is no sample log, or the filter is not in it.
    """
    name = _NAME.fullmatch(path.stem)
    lines, replaced = _read_lines(path)
    results = read_results(path, name["date"], name["task"]) if name else {}
    _name_filters(lines, results, name["task"] if name else "")
    found = sorted({line["filter"] for line in lines})
    chosen = filter or next((f for f in DEFAULT_FILTERS if f in found), found[0] if len(found) == 1 else None)
    if chosen is None or chosen not in found:
        raise UserError(f"{path.name} has the filters {', '.join(found)}; take one of them with --filter")
    lines = sorted((line for line in lines if line["filter"] == chosen), key=_by_doc_id)
    ids = [line["doc_id"] for line in lines]
    twice = next((a for a, b in pairwise(ids) if a == b), None)
    if twice is not None:
        raise UserError(
            f"{path.name} holds doc_id {twice} twice under filter {chosen}: two runs in one file?"
        )
    return SampleLog(
        path=path,
        task=name["task"] if name else path.stem,
        date=_date(path, name["date"] if name else ""),
        filter=chosen,
        lines=lines,
        results=results,
        replaced=replaced,
    )


def _by_doc_id(line: Mapping[str, Any]) -> tuple[bool, Any]:
    return isinstance(line["doc_id"], str), line["doc_id"]


def _name_filters(lines: list[dict[str, Any]], results: Mapping[str, Any], task: str) -> None:
    """Give the lines of a log from before 0.4.7 their `filter`: those of one filter follow one another.

    The names come from the results file, whose keys are "metric,filter"; without it two filters are
    GSM8K's, strict before flexible (lm-evaluation-harness, pull request 2517).
    """
    if all("filter" in line for line in lines):
        return
    scores = results.get("results", {})
    scores = scores.get(task, {}) if isinstance(scores, dict) else {}
    keys = [str(key).partition(",")[2] for key in scores if "," in str(key) and "stderr" not in str(key)]
    named, seen, number = list(dict.fromkeys(keys)), set[Any](), 0
    for line in lines:
        if str(line["doc_id"]) in seen:
            seen, number = set(), number + 1
        seen.add(str(line["doc_id"]))
        line["filter"] = number
    count = number + 1
    if len(named) != count:
        named = {1: ["none"], 2: ["strict-match", "flexible-extract"]}.get(
            count, [f"filter-{n + 1}" for n in range(count)]
        )
    for line in lines:
        line["filter"] = named[line["filter"]]


def _read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    lines, replaced = [], 0
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no plain file; give a samples_TASK_DATE.jsonl")
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if raw.strip():
                    line, changed = _parse(path, number, raw)
                    lines.append(line)
                    replaced += changed
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if not lines:
        raise UserError(f"{path.name} is empty, there is nothing to import")
    return lines, replaced


def _parse(path: Path, number: int, raw: bytes) -> tuple[dict[str, Any], bool]:
    """One line, and whether invalid bytes or lone surrogates in it were replaced."""
    raw = raw.removeprefix(BOM) if number == 1 else raw
    text = raw.decode("utf-8", "replace")
    changed = text.encode() != raw
    try:
        line = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path.name} line {number} is not JSON: {error}") from None
    missing = [key for key in NEEDED if key not in line] if isinstance(line, dict) else NEEDED
    if missing:
        raise UserError(
            f"{path.name} line {number} is no sample of lm-evaluation-harness (no {missing[0]}); "
            "give it a samples_TASK_DATE.jsonl, written with --log_samples"
        )
    whole = _without_surrogates(line)
    replaced = changed or whole != line
    if odd := as_today(whole):
        raise UserError(
            f"{path.name} line {number}: {odd} is {str(whole[odd])[:60]!r}, as no sample of "
            "lm-evaluation-harness has it; give a samples_TASK_DATE.jsonl, written with --log_samples"
        )
    return whole, replaced


def _without_surrogates(value: Any) -> Any:
    """JSON may escape half a character, which no file can hold; it becomes U+FFFD."""
    if isinstance(value, str):
        return (
            value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        )
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _date(path: Path, text: str) -> datetime:
    """From the file's name, as in 2026-11-22T18-20-01.123456 (taken for UTC); else the file's own."""
    try:
        day, _, clock = text.partition("T")
        return datetime.fromisoformat(f"{day}T{clock.replace('-', ':')}").replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
