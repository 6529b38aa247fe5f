"""inspect's logs (`.eval`, or `.json`) as result folders, so that `diff` and `report` take them.

Verdicts are the log's own (one scorer's). As with lm-evaluation-harness, what the log does not say is named
in the lock under `unknown`.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from evalkit.exchange.imported import ImportedRun, foreign_lock, read_leniently, run_name
from evalkit.records import Extraction, Outcome, Record, Row
from evalkit.runs.manifest import EngineFacts, GitState, ModelFacts, SamplingFacts, new_manifest
from evalkit.runs.summary import counted
from evalkit.tasks.rows import Item, make_rows
from prompts.errors import UserError
from prompts.files import LARGEST

VERDICTS: Mapping[Any, Outcome] = {"C": "correct", "I": "wrong", "N": "no_answer", 1: "correct", 0: "wrong"}
NEVER_KNOWN = ("chat template", "prompt token ids", "rule", "tokenizer")
DRAWN = ("temperature", "top_p", "max_tokens")
ZSTD = 93
"""The method zstd in a zip archive (APPNOTE 6.3.8)."""
UNREADABLE = (
    OSError, KeyError, TypeError, AttributeError, RuntimeError,
    zlib.error, zipfile.BadZipFile, orjson.JSONDecodeError,
)  # fmt: skip
"""What a file that is no log raises; RuntimeError: encrypted, or packed by an unknown method."""
ENDS = {"stop": "stop", "max_tokens": "length"}

Json = Mapping[str, Any]


def read_inspect(path: Path, scorer: str | None = None) -> ImportedRun:
    """Read one log; `scorer` names whose verdicts count, where the log holds those of several.

    Raises UserError where it is no log of inspect's, did not end, or a verdict is neither right nor wrong.
    """
    header, samples = _read(path)
    try:
        spec = header.get("eval") or {}
        if header.get("status") != "success" or not samples:
            said = header.get("status")
            raise UserError(f"{path.name}: its status is {said!r}; only a whole log is imported")
        total = int((header.get("results") or {}).get("total_samples", len(samples)))
        if total != len(samples):
            raise UserError(
                f"{path.name} holds {len(samples):,} samples, its results say {total:,}: it was cut"
            )
        name = _scorer(path, samples, scorer)
        by_id = {str(sample["id"]): sample for sample in samples}
        items = [
            Item(question=_question(sample), gold=_target(sample), fields={"id": row_id})
            for row_id, sample in by_id.items()
        ]
        rows = dict(zip(by_id, make_rows(items), strict=True))
        records = [_record(path, rows[str(sample["id"])], sample, name) for sample in samples]
        task, model = str(spec["task"]), str(spec["model"])
        config = {**(spec.get("model_generate_config") or {}), **(header.get("plan") or {}).get("config", {})}
        epochs = 1 + max(record.sample for record in records)
        if Counter(record.sample for record in records) != dict.fromkeys(range(epochs), len(rows)):
            raise UserError(f"{path.name} does not hold every epoch of every sample: it was cut or edited")
        sampling = SamplingFacts(
            **{key: config[key] for key in DRAWN if config.get(key) is not None},
            samples=epochs,
        )
        prompts = {rows[row_id].id: _hash_of_prompt(sample) for row_id, sample in by_id.items()}
        lock = foreign_lock(
            {
                "source": "inspect",
                "template": {"ref": f"inspect:{task}@{spec.get('task_version', 'unknown')}"},
                "scorer": {"rule": f"inspect:{name}"},
                "unknown": sorted(NEVER_KNOWN),
            },
            task,
            "unknown",
            prompts,
            sampling,
        )
        date = datetime.fromisoformat(str(spec["created"]))
        manifest = new_manifest(
            command=f"evalkit import {path.name} --filter {name}",
            lock=lock,
            model=ModelFacts(name=model),
            sampling=sampling,
            engine=EngineFacts(name="inspect", version=(spec.get("packages") or {}).get("inspect_ai")),
            packages={},
            git=GitState(),
            rows=len(rows),
            source=path.name,
            date=date,
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path.name} is no log that is understood ({type(error).__name__}: {error})"
        ) from None
    return ImportedRun(
        name=run_name(model.rpartition("/")[2], task, name, f"{date:%Y%m%d-%H%M%S}"),
        path=path,
        lock=lock,
        manifest=counted(manifest, records),
        records=records,
        notes=[f"verdicts of scorer {name}; not known: {', '.join(lock.reading['unknown'])}"],
    )


def _read(path: Path) -> tuple[Json, list[Json]]:
    """Header and samples of a log, zipped (`.eval`) or in one JSON file."""
    try:
        if path.suffix != ".eval":
            whole = orjson.loads(path.read_bytes())
            return whole, list(whole.get("samples") or ())
        with zipfile.ZipFile(path) as archive:
            parts = [part for part in archive.infolist() if part.filename.startswith("samples/")]
            if sum(part.file_size for part in parts) > LARGEST:
                raise UserError(f"{path.name} unpacks to more than {LARGEST:,} bytes")
            samples = [orjson.loads(_member(path, archive, part)) for part in parts]
            return orjson.loads(_member(path, archive, archive.getinfo("header.json"))), samples
    except UNREADABLE as error:
        raise UserError(f"{path} is no log of inspect's: {error}") from None


def _member(path: Path, archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bytes:
    """A file of the archive; inspect packs with zstd, which zipfile knows from Python 3.14 on."""
    if part.compress_type != ZSTD:
        return archive.read(part)
    import pyarrow

    with path.open("rb") as file:
        file.seek(part.header_offset)
        head = file.read(30)  # of the fixed part the last four bytes are the lengths of name and extra field
        file.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
        packed = pyarrow.BufferReader(file.read(part.compress_size))
    return bytes(pyarrow.CompressedInputStream(packed, "zstd").read(part.file_size))


def _scorer(path: Path, samples: list[Json], asked: str | None) -> str:
    names = list(dict.fromkeys(name for sample in samples for name in sample.get("scores") or ()))
    if asked in names or (asked is None and len(names) == 1):
        return asked or names[0]
    given = f"--filter {asked}: no such scorer" if asked else "several scorers gave verdicts" if names else ""
    raise UserError(
        f"{path.name}: {given or 'no scorer gave a verdict'}"
        + (f"; there are {', '.join(names)}: --filter {names[0]}" if names else "")
    )


def _question(sample: Json) -> str:
    """The input; of a conversation its last message of the user."""
    asked = sample["input"]
    return (
        asked if isinstance(asked, str) else _text([m for m in asked if m["role"] == "user"][-1]["content"])
    )


def _text(content: Any) -> str:
    """A message's content; of several parts those that are text."""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content)


def _target(sample: Json) -> Any:
    target = sample.get("target")
    return target[0] if isinstance(target, list) and len(target) == 1 else target


def _hash_of_prompt(sample: Json) -> str:
    said = [(message["role"], _text(message["content"])) for message in sample["messages"]]
    asked = [entry for entry in said if entry[0] != "assistant"]
    return hashlib.sha256(orjson.dumps(asked)).hexdigest()[:16]


def _record(path: Path, row: Row, sample: Json, scorer: str) -> Record:
    choices = (sample.get("output") or {}).get("choices") or []
    text = _text(choices[0]["message"]["content"]) if choices else ""
    usage = (sample.get("output") or {}).get("usage") or {}
    end = ENDS.get(choices[0].get("stop_reason"), "unknown") if choices else "none"
    score = (sample.get("scores") or {}).get(scorer)
    answer = score.get("answer") if score else None
    found = Extraction(None if answer in (None, "") else str(answer), f"inspect:{scorer}")
    outcome, reason = _verdict(path, sample, score)
    lenient, lenient_outcome = read_leniently(found, outcome, text, row.gold)
    return Record(
        id=row.id,
        sample=int(sample.get("epoch", 1)) - 1,
        question=row.question,
        gold=row.gold,
        prompt_tokens=int(usage.get("input_tokens") or 0),
        completion_tokens=int(usage.get("output_tokens") or 0),
        text=text,
        finish_reason=end,
        truncated=end == "length",
        extraction=found,
        outcome=outcome,
        reason=reason,
        lenient=lenient,
        lenient_outcome=lenient_outcome,
        seed=0,
        own_id=row.own_id,
    )


def _verdict(path: Path, sample: Json, score: Json | None) -> tuple[Outcome, str]:
    """The scorer's verdict; a sample that failed, or was not scored, is unscored."""
    if sample.get("error"):
        return "unscored", f"inspect: {str(sample['error'].get('message'))[:200]}"
    if score is None:
        return "unscored", "the log holds no verdict"
    value = score["value"]
    if isinstance(value, str | int | float) and value in VERDICTS:
        return VERDICTS[value], "verdict of the log"
    raise UserError(
        f"{path.name}: the verdict on sample {sample['id']} is {value!r}; "
        "only C, I, N, 1 and 0 can be imported"
    )
