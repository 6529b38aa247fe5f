"""Read stored completions again, under another rule or a newer version, without a model."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from evalkit.grade.judge import Judge
from evalkit.grade.judge import judge as judge_by
from evalkit.grade.lock_entry import function_entry, scorer_entry
from evalkit.grade.user_function import PREFIX, UserFunction, is_function, read_function
from evalkit.records import UNANSWERED, Extraction, Record
from evalkit.runs.folder import Run, RunWriter, read_run
from evalkit.runs.record_lines import unknown_keys
from evalkit.runs.summary import counted, summarize
from evalkit.runs.thinking import lacking_markers, thinking_as_recorded
from prompts.errors import UserError
from prompts.lock import Lock


def rescore(run: Run, *, rule: str | None, command: str, output: Path | None = None) -> Run:
    """Write a new run with the same completions, read by `rule` (by default the newest version of the
    run's own). It points to its source.

    Raises UserError for an unknown rule, an unfinished run, or a folder that exists.
    """
    if not run.complete:
        raise UserError(f"{run.name} {run.manifest.unfinished}")
    old = run.lock
    if rule is None and old.rule.startswith(f"{old.reading.get('source')}:"):  # an import
        raise UserError(
            f"{run.name} was imported, and only {old.reading['source']} reads as {old.rule} does; name a "
            f"rule of ours: evalkit rescore {run.name} --rule lenient"
        )
    scorer, grader = _scorer(old, rule)
    name = str(scorer["rule"])
    folder = output or run.folder.with_name(f"{run.name}-{name.removeprefix(PREFIX).replace(':', '-')}")
    if folder.exists():
        raise UserError(f"{folder} exists; remove it or give another --output")
    reading = {**old.reading, "scorer": scorer, **thinking_as_recorded(old.reading)}
    others = {} if rule else _scorers_of_parts(old)
    if "parts" in old.reading:
        reading["parts"] = {
            task: {**part, "scorer": others.get(task, scorer), **thinking_as_recorded(part)}
            for task, part in old.reading["parts"].items()
        }
    of_row = {
        row_id: reading["parts"][part["task"]]
        for part in old.data.get("parts", ())
        if part["task"] in others
        for row_id in part["ids"]
    }
    lock = Lock(reading=reading, data=old.data, budget=old.budget, carries=old.carries)
    if missing := lacking_markers(run.records, reading):
        print(f"warning: {missing}", file=sys.stderr)
    manifest = run.manifest.changed(
        status="running",
        command=command,
        fingerprint=lock.fingerprint,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        source=run.name,
        noise=None,  # flips were counted under the other reading
    )
    start = time.monotonic()
    with closing(Judge(name, grader, reading.get("thinking"))) as judge:
        records = _all_again(run.records, judge, of_row)  # before anything is written
    times = msgspec.structs.replace(run.manifest.times, score=time.monotonic() - start)
    manifest = counted(manifest.changed(times=times), records)
    newer = unknown_keys(run.folder)
    writer = RunWriter(folder, manifest, lock)
    try:
        for record in records:
            writer.append(record, newer.get((record.id, record.sample), {}))
        writer.finish(manifest, summarize(records, run.summary.tokens_per_second))
    except BaseException:
        writer.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return read_run(folder)


def _scorer(old: Lock, rule: str | None) -> tuple[dict[str, Any], UserFunction | None]:
    """The lock's new scorer entry, and the grader that it names.

    Unless a rule is said, a grader's file must be the one that was locked.
    """
    given = rule or old.rule.partition("@")[0]
    if not is_function(given):
        return scorer_entry(given), None
    grader = read_function(given, sha256=None if rule else old.reading["scorer"].get("sha256"))
    return function_entry(grader), grader


def _scorers_of_parts(old: Lock) -> dict[str, dict[str, Any]]:
    """The newest scorer entries of the tasks of a mixture that have a reading of their own, by task."""
    entries = {}
    for task, part in old.reading.get("parts", {}).items():
        scorer, grader = _scorer(Lock(part, {}, {}), None)
        if grader is not None:
            raise UserError(f"task {task} is graded by {scorer['rule']}; name one rule for all with --rule")
        entries[task] = scorer
    return entries


def _all_again(records: Sequence[Record], judge: Judge, of_row: Mapping[str, dict[str, Any]]) -> list[Record]:
    """Every record, judged anew, in order; `of_row` holds the reading of rows that have their own.

    A grader's processes work side by side.
    """
    with ThreadPoolExecutor(judge.workers) as calls:
        return list(calls.map(partial(_read_again, judge=judge, of_row=of_row), records))


def _read_again(record: Record, judge: Judge, of_row: Mapping[str, dict[str, Any]]) -> Record:
    own = of_row.get(record.id)
    rule = str(own["scorer"]["rule"]) if own else judge.rule
    if record.finish_reason in UNANSWERED:
        nothing = Extraction(None, rule)
        return msgspec.structs.replace(record, extraction=nothing, lenient=nothing)
    row = {"id": record.id, "question": record.question, "fields": record.fields or {}}
    if own is None:
        judgement = judge(
            record.text, record.gold, row, record.markers, record.thinking_tokens, record.truncated
        )
    else:
        thinking, markers = own.get("thinking"), record.markers
        judgement = judge_by(
            record.text,
            record.gold,
            rule,
            thinking,
            markers,
            record.thinking_tokens,
            question=record.question,
            truncated=record.truncated,
        )
    return msgspec.structs.replace(
        record,
        extraction=judgement.extraction,
        outcome=judgement.grade.outcome,
        reason=judgement.grade.reason,
        lenient=judgement.lenient,
        lenient_outcome=judgement.lenient_outcome,
    )
