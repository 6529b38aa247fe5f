"""Read stored completions again, under another rule or a newer version, without a model."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from evalkit.extract import resolve_rule
from evalkit.grade.grade import SCORER_VERSION
from evalkit.grade.judge import judge
from evalkit.records import UNANSWERED, Extraction, Record
from evalkit.runs.folder import Run, RunWriter, read_run
from evalkit.runs.summary import count, summarize
from prompts.errors import UserError
from prompts.lock import Lock


def rescore(run: Run, *, rule: str | None, command: str, output: Path | None = None) -> Run:
    """Write a new run with the same completions, read by `rule` (unless said: the newest version of the
    run's own). It points to its source.

    Raises UserError for an unknown rule, an unfinished run, or a folder that exists.
    """
    if not run.complete:
        raise UserError(f"{run.name} is not complete; finish it first: {run.manifest.command}")
    old = run.lock
    name, _ = resolve_rule(rule or old.rule.partition("@")[0])
    folder = output or run.folder.with_name(f"{run.name}-{name}")
    if folder.exists():
        raise UserError(f"{folder} exists; remove it or give another --output")
    reading = {**old.reading, "scorer": {"rule": name, "version": SCORER_VERSION}}
    lock = Lock(reading=reading, data=old.data, budget=old.budget)
    manifest = run.manifest.changed(
        status="running",
        command=command,
        fingerprint=lock.fingerprint,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        source=run.name,
        noise=None,  # flips were counted under the other reading
    )
    start = time.monotonic()
    records = [_read_again(record, name) for record in run.records]  # before anything is written
    manifest = manifest.changed(
        times=msgspec.structs.replace(run.manifest.times, score=time.monotonic() - start), **count(records)
    )
    writer = RunWriter(folder, manifest, lock)
    try:
        for record in records:
            writer.append(record)
        writer.finish(manifest, summarize(records, run.summary.tokens_per_second))
    except BaseException:
        writer.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return read_run(folder)


def _read_again(record: Record, rule: str) -> Record:
    if record.finish_reason in UNANSWERED:
        nothing = Extraction(None, rule)
        return msgspec.structs.replace(record, extraction=nothing, lenient=nothing)
    judgement = judge(record.text, record.gold, rule)
    return msgspec.structs.replace(
        record,
        extraction=judgement.extraction,
        outcome=judgement.grade.outcome,
        reason=judgement.grade.reason,
        lenient=judgement.lenient,
        lenient_outcome=judgement.lenient_outcome,
    )
