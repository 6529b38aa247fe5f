"""What a log of lm-evaluation-harness tells of its run, as our lock and manifest; and what it does not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from evalkit.exchange.imported import foreign_lock
from evalkit.exchange.lm_eval_in.log import SampleLog
from evalkit.records import Record, Row
from evalkit.runs.manifest import EngineFacts, GitState, Manifest, ModelFacts, SamplingFacts, new_manifest
from evalkit.runs.summary import counted
from prompts.lock import Lock

OF_RESULTS = ("chat_template", "system", "fewshot_as_multiturn", "n_shot", "tokenizer")
NEVER_KNOWN = ("completion_tokens", "finish_reason", "prompt token ids", "seed", "speed", "vocabulary")


_Number = TypeVar("_Number", int, float)


def prompt_of(line: Mapping[str, Any]) -> str:
    """The text that the model was given."""
    return str(line["arguments"]["gen_args_0"]["arg_0"])


def _kwargs(log: SampleLog) -> dict[str, Any]:
    """Generation settings, which are the same in every line."""
    value = log.lines[0]["arguments"]["gen_args_0"].get("arg_1")
    return value if isinstance(value, dict) else {}


def lock_of(log: SampleLog, rows: Sequence[Row]) -> Lock:
    """What the log tells of how prompts were made and answers read, and a list of what it does not."""
    results = log.results
    kwargs = _kwargs(log)
    known: dict[str, Any] = {}
    if results:
        known = {
            "chat_template": {"sha256": results.get("chat_template_sha")},
            "system": results.get("system_instruction_sha"),
            "fewshot_as_multiturn": results.get("fewshot_as_multiturn"),
            "n_shot": results.get("n-shot", {}).get(log.task),
            "tokenizer": {name: results.get(f"tokenizer_{name}_token") for name in ("bos", "eos")},
        }
    prompts = {
        row.id: hashlib.sha256(prompt_of(line).encode()).hexdigest()[:16]
        for row, line in zip(rows, log.lines, strict=True)
    }
    sampling = _sampling(log)
    unknown = [*NEVER_KNOWN, *(key for key in OF_RESULTS if key not in known)]
    unknown += [key for key, value in sampling.as_dict().items() if value is None and key != "seed"]
    return foreign_lock(
        {
            "source": "lm-eval",
            "template": {"ref": f"lm-eval:{log.task}@{results.get('versions', {}).get(log.task, 'unknown')}"},
            **known,
            "stop": kwargs.get("until"),
            "scorer": {"rule": f"lm-eval:{log.filter}", "metrics": log.lines[0].get("metrics")},
            "unknown": sorted(unknown),
        },
        log.task,
        _split(log),
        prompts,
        sampling,
    )


def _split(log: SampleLog) -> str:
    config = log.results.get("configs", {}).get(log.task, {})
    return str(config.get("test_split") or config.get("validation_split") or "unknown")


def _sampling(log: SampleLog) -> SamplingFacts:
    kwargs = _kwargs(log)
    greedy = kwargs.get("do_sample") is False
    return SamplingFacts(
        temperature=0.0 if greedy else _number(kwargs.get("temperature"), float),
        top_p=1.0 if greedy else _number(kwargs.get("top_p"), float),
        max_tokens=_number(kwargs.get("max_gen_toks"), int),
    )


def _number(value: Any, kind: type[_Number]) -> _Number | None:
    """A number of somebody else's JSON; None where it is no such number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return kind(value) if is_number and kind(value) == value else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def manifest_of_log(log: SampleLog, lock: Lock, records: Sequence[Record]) -> Manifest:
    """The manifest of an imported run; what the log does not say is None."""
    results = log.results
    config = results.get("config", {})
    version = results.get("transformers_version")
    manifest = new_manifest(
        command=f"evalkit import {log.path.name} --filter {log.filter}",
        lock=lock,
        model=ModelFacts(
            name=str(results.get("model_name") or log.path.resolve().parent.name),
            revision=_text(config.get("model_sha") or config.get("model_revision")),
        ),
        sampling=_sampling(log),
        engine=EngineFacts(
            name=f"lm-eval {results.get('model_source') or 'unknown'}",
            version=str(results.get("lm_eval_version") or "unknown"),
        ),
        packages={"transformers": str(version)} if version else {},
        git=GitState(commit=_text(results.get("git_hash"))),
        rows=len(records),
        source=log.path.name,
        date=datetime.fromtimestamp(results["date"], tz=UTC) if "date" in results else log.date,
    )
    return counted(manifest, records)
