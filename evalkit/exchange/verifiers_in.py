"""What verifiers' `vf-eval -s` saves (metadata.json and results.jsonl) as result folders.

Shape: verifiers/utils/save_utils.py of 0.1.14. Verdicts are the reward's, or those of one metric. As with
lm-evaluation-harness, what the files do not say is named in the lock under `unknown`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from evalkit.exchange.imported import ImportedRun, foreign_lock, run_name
from evalkit.records import Extraction, Outcome, Record, Row
from evalkit.runs.manifest import EngineFacts, GitState, ModelFacts, SamplingFacts, new_manifest
from evalkit.runs.summary import counted
from evalkit.tasks.rows import Item, make_rows, message_text
from prompts.errors import UserError
from prompts.files import read_json, read_plain

METADATA, RESULTS, TRACES = "metadata.json", "results.jsonl", "traces.jsonl"
NEVER_KNOWN = ("chat template", "finish_reason", "prompt token ids", "rule", "seed", "split", "tokenizer")
SAMPLING = ("temperature", "top_p", "max_tokens")

Json = Mapping[str, Any]


def find_saved(path: Path) -> list[Path]:
    """The folders of saved evaluations at a path: itself, or those below it. [] where there are none.

    Raises UserError where a folder holds traces alone, as verifiers 0.4 writes them.
    """
    if path.name in (METADATA, RESULTS) and path.with_name(METADATA).is_file():
        return [path.parent]
    if not path.is_dir():
        return []
    found = sorted(results.parent for results in path.rglob(RESULTS) if results.with_name(METADATA).is_file())
    if not found and (traces := next(path.rglob(TRACES), None)):
        raise UserError(
            f"{traces} is in verifiers' newer format (0.4); only {METADATA} and {RESULTS} can be "
            "imported, which `vf-eval -s` of verifiers 0.1.14 writes"
        )
    return found


def read_verifiers(folder: Path, metric: str | None = None) -> ImportedRun:
    """Read one saved evaluation; `metric` names the metric whose 1 and 0 count, else the reward's.

    Raises UserError where files are missing or cut, a verdict is neither 1 nor 0, or an answer is a
    conversation and not one message.
    """
    facts = read_json(folder / METADATA)
    lines = _lines(folder / RESULTS)
    name = metric or "reward"
    try:
        env, model = str(facts["env_id"]), str(facts["model"])
        _whole(folder, facts, lines)
        first = {str(line["example_id"]): line for line in reversed(lines)}
        items = [
            Item(question=_question(line), gold=line.get("answer"), fields={"id": own_id})
            for own_id, line in first.items()
        ]
        rows = dict(zip(first, make_rows(items), strict=True))
        prompts = {rows[own_id].id: _hash(line["prompt"]) for own_id, line in first.items()}
        drawn: Counter[str] = Counter()
        records = []
        for line in lines:
            row = rows[str(line["example_id"])]
            if _hash(line["prompt"]) != prompts[row.id]:
                raise UserError(f"{folder}: example {line['example_id']} has two different prompts")
            records.append(_record(folder, row, line, drawn[row.id], name))
            drawn[row.id] += 1
        settings = facts.get("sampling_args") or {}
        sampling = SamplingFacts(
            **{key: settings[key] for key in SAMPLING if settings.get(key) is not None},
            samples=max(drawn.values()),
        )
        versions = facts.get("version_info") or {}
        unknown = [*NEVER_KNOWN, *(key for key in SAMPLING if settings.get(key) is None)]
        lock = foreign_lock(
            {
                "source": "verifiers",
                "template": {"ref": f"verifiers:{env}@{versions.get('env_version') or 'unknown'}"},
                "env_args": facts.get("env_args") or {},
                "scorer": {"rule": f"verifiers:{name}"},
                "unknown": sorted(unknown),
            },
            env,
            "unknown",
            prompts,
            sampling,
        )
        manifest = new_manifest(
            command=f"evalkit import {folder.name}" + (f" --filter {metric}" if metric else ""),
            lock=lock,
            model=ModelFacts(name=model),
            sampling=sampling,
            engine=EngineFacts(name="verifiers", version=versions.get("vf_version")),
            packages={},
            git=GitState(),
            rows=len(rows),
            source=f"{folder.name}/{RESULTS}",
            date=datetime.fromtimestamp((folder / METADATA).stat().st_mtime, tz=UTC),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{folder} is no evaluation of verifiers that is understood ({type(error).__name__}: {error})"
        ) from None
    notes = [f"verdicts of {name}; not known: {', '.join(lock.reading['unknown'])}"]
    if thinking := sum(bool(_said(line).get("reasoning_content")) for line in lines):
        notes.append(f"reasoning_content of {thinking} answers is left out, the text behind it is kept")
    return ImportedRun(
        name=run_name(model.rpartition("/")[2], env.rpartition("/")[2], name, folder.resolve().name),
        path=folder,
        lock=lock,
        manifest=counted(manifest, records),
        records=records,
        notes=notes,
    )


def _lines(path: Path) -> list[Json]:
    found: list[Json] = []
    for number, raw in enumerate(read_plain(path).splitlines(), 1):
        try:
            line = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise UserError(f"{path} line {number} is not JSON ({error}): the evaluation was cut") from None
        if not isinstance(line, dict) or not {"example_id", "prompt", "reward"} <= line.keys():
            raise UserError(f"{path} line {number} is no rollout of verifiers (example_id, prompt, reward)")
        found.append(line)
    return found


def _whole(folder: Path, facts: Json, lines: Sequence[Json]) -> None:
    """All the rollouts that the metadata says, the same number for every example."""
    examples, rollouts = facts["num_examples"], facts["rollouts_per_example"]
    each = Counter(str(line["example_id"]) for line in lines)
    if not each or len(each) != examples or set(each.values()) != {rollouts}:
        raise UserError(
            f"{folder} holds {len(lines):,} rollouts of {len(each):,} examples, its metadata says {rollouts} "
            f"of each of {examples:,}: it was cut; `vf-eval --resume` ends it"
        )


def _question(line: Json) -> str:
    """The prompt; of messages the last one of the user."""
    prompt = line["prompt"]
    if isinstance(prompt, str):
        return prompt
    return message_text([message for message in prompt if message["role"] == "user"][-1]["content"])


def _hash(prompt: Any) -> str:
    return hashlib.sha256(orjson.dumps(prompt, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _said(line: Json) -> Json:
    """The one message of the assistant; {} where there is none, or several."""
    completion = line.get("completion")
    alone = isinstance(completion, list) and len(completion) == 1
    return completion[0] if completion and alone else {}


def _text(folder: Path, line: Json) -> str:
    completion = line.get("completion")
    if isinstance(completion, str):
        return completion
    message = _said(line)
    if message.get("role") != "assistant" or message.get("tool_calls"):
        raise UserError(
            f"{folder}: the answer to example {line['example_id']} is a conversation of "
            f"{len(completion or ())} messages, or calls tools; only single answers of text can be imported"
        )
    return message_text(message["content"]) if message.get("content") else ""


def _record(folder: Path, row: Row, line: Json, sample: int, name: str) -> Record:
    outcome, reason = _verdict(folder, line, name)
    failed = bool(line.get("error")) and not line.get("completion")
    text = "" if failed else _text(folder, line)
    usage = line.get("token_usage") or {}
    found = Extraction(None, f"verifiers:{name}")
    return Record(
        id=row.id,
        sample=sample,
        question=row.question,
        gold=row.gold,
        prompt_tokens=int(usage.get("input_tokens") or 0),
        completion_tokens=int(usage.get("output_tokens") or 0),
        text=text,
        finish_reason="none" if failed else "length" if line.get("is_truncated") else "unknown",
        truncated=bool(line.get("is_truncated")),
        extraction=found,
        outcome=outcome,
        reason=reason,
        lenient=found,
        lenient_outcome=outcome,
        seed=0,
        own_id=row.own_id,
    )


def _verdict(folder: Path, line: Json, name: str) -> tuple[Outcome, str]:
    """1 is correct and 0 is wrong; a rollout that failed is unscored (verifiers counts it as 0)."""
    if error := line.get("error"):
        said = error.get("error_chain_str") if isinstance(error, Mapping) else error
        return "unscored", f"verifiers: {str(said)[:200]}"
    metrics = line.get("metrics") or {}
    value = line["reward"] if name == "reward" else metrics.get(name)
    if isinstance(value, int | float) and value in (0, 1):
        return ("correct" if value else "wrong"), f"{name} in the results"
    known = ", ".join(metrics) or "none"
    raise UserError(
        f"{folder}: {name} of example {line['example_id']} is {value!r}; only 0 and 1 can be imported; "
        f"--filter takes the verdicts of one metric (there are: {known})"
    )
