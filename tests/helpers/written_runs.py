"""Small runs written by `RunWriter`, with a lock and a manifest of the fewest keys."""

from __future__ import annotations

from pathlib import Path

from evalkit.grade.grade import SCORER_VERSION
from evalkit.grade.judge import judge, make_record
from evalkit.records import Completion, Record, Row
from evalkit.runs.folder import RunWriter
from evalkit.runs.manifest import manifest_of
from evalkit.runs.summary import counted, summarize
from prompts.lock import Lock
from prompts.reading.completion import Decoded

LOCK = Lock(
    reading={"template": {"ref": "t@1"}, "scorer": {"rule": "last-number@1", "version": SCORER_VERSION}},
    data={"task": "t", "split": "test", "rows": 0, "prompts": {}},
    budget={"max_tokens": 16},
)
MANIFEST = manifest_of(
    {
        "schema": 1,
        "status": "running",
        "command": "evalkit score --model m --task t",
        "model": {"name": "m"},
        "task": "t",
        "split": "test",
        "template": "t@1",
        "fingerprint": LOCK.fingerprint,
        "sampling": {"max_tokens": 16, "samples": 1},
        "date": "2026-01-01T00:00:00+00:00",
        "marks": [],
        "times": {},
    },
    "written",
)


def record(row_id: str, text: str, gold: str | None = "7", sample: int = 0, reason: str = "stop") -> Record:
    completion = Completion(index=0, sample=sample, token_ids=(1, 2, 3), finish_reason=reason)  # type: ignore[arg-type]
    row = Row(id=row_id, question="q", gold=gold)
    judgement = judge(text, gold, "last-number@1")
    return make_record(row, 5, Decoded(text), completion, judgement, sample=sample, seed=1)


def write(folder: Path, records: list[Record], finish: bool = True) -> Path:
    writer = RunWriter(folder, MANIFEST, LOCK)
    for entry in records:
        writer.append(entry)
    if finish:
        writer.finish(counted(MANIFEST, records), summarize(records, 10.0))
    writer.close()
    return folder
