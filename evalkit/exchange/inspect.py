"""A run as an inspect-ai log (JSON format, log version 2), for `inspect view` and `read_eval_log`.

Written by hand, since inspect-ai's own pins do not install beside vLLM's. The shape is that of
inspect_ai/log/_log.py of 0.3.285. An unscored sample has no score, and is counted as unscored.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from evalkit.exchange.lm_eval import FILTERS, stderr_of
from evalkit.exchange.prompts_of_run import prompts_of_run
from evalkit.records import Record
from evalkit.runs.folder import Run
from prompts.render import Rendered

VALUES = {"correct": "C", "wrong": "I", "no_answer": "N"}
READINGS = (
    ("strict", "outcome", "extraction", "reason"),
    ("lenient", "lenient_outcome", "lenient", "lenient_outcome"),
)
STOP_REASONS = {"stop": "stop", "length": "max_tokens"}


def to_inspect(run: Run, prompts: Sequence[Path] = ()) -> dict[str, bytes]:
    """The files of an inspect log folder: one log, by the name that `inspect view` lists."""
    started = datetime.fromisoformat(run.manifest.date).astimezone(UTC)
    task = re.sub(r"\W", "-", Path(run.manifest.task).stem)
    log_id = hashlib.sha256(run.name.encode()).hexdigest()[:22]
    log = {
        "version": 2,
        "status": "success",
        "eval": _spec(run, task, log_id, started),
        "plan": {"name": "plan", "steps": [{"solver": "generate", "params": {}}], "config": _config(run)},
        "results": _results(run),
        "stats": _stats(run, started),
        "samples": _samples(run, prompts),
    }
    name = f"{started.strftime('%Y-%m-%dT%H-%M-%S+00-00')}_{task}_{log_id}.json"
    return {name: orjson.dumps(log)}


def _config(run: Run) -> dict[str, Any]:
    sampling = run.manifest.sampling.as_dict()
    return {key: sampling[key] for key in ("temperature", "top_p", "max_tokens", "seed")}


def _spec(run: Run, task: str, log_id: str, started: datetime) -> dict[str, Any]:
    manifest = run.manifest
    ids = sorted({record.id for record in run.records})
    return {
        "eval_id": log_id,
        "run_id": log_id,
        "task_id": log_id,
        "created": started.isoformat(),
        "task": task,
        "task_version": 0,
        "dataset": {
            "name": f"{task} ({manifest.split})",
            "samples": len(ids),
            "sample_ids": ids,
            "shuffled": False,
        },
        "model": f"{manifest.engine.name}/{manifest.model.name}",
        "model_generate_config": _config(run),
        "config": {"epochs": manifest.sampling.samples, "epochs_reducer": ["mean"]},
        "packages": manifest.packages,
        "metadata": {
            "evalkit_run": run.name,
            "prompt": manifest.template,
            "fingerprint": manifest.fingerprint,
            "marks": manifest.marks,
            "rule": run.lock.rule,
        },
        "scorers": [{"name": name} for name in FILTERS],
    }


def _results(run: Run) -> dict[str, Any]:
    unscored = sum(record.outcome == "unscored" for record in run.records)
    scores = []
    summary = run.summary
    for name, share in (("strict", summary.accuracy), ("lenient", summary.lenient_accuracy)):
        metrics = {"accuracy": share, "stderr": stderr_of(run, FILTERS[name][0])}
        scores.append(
            {
                "name": name,
                "scorer": name,
                "scored_samples": len(run.records) - unscored,
                "unscored_samples": unscored,
                "metrics": {metric: {"name": metric, "value": value} for metric, value in metrics.items()},
            }
        )
    return {"total_samples": len(run.records), "completed_samples": len(run.records), "scores": scores}


def _stats(run: Run, started: datetime) -> dict[str, Any]:
    times = run.manifest.times
    seconds = sum(value for value in (times.load, times.generate, times.score) if value)
    usage = [_usage(record) for record in run.records]
    return {
        "started_at": started.isoformat(),
        "completed_at": (started + timedelta(seconds=seconds)).isoformat(),
        "model_usage": {
            run.manifest.model.name: {
                key: sum(one[key] for one in usage)
                for key in ("input_tokens", "output_tokens", "total_tokens")
            }
        },
    }


def _usage(record: Record) -> dict[str, int]:
    read, written = record.prompt_tokens, record.completion_tokens
    return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}


def _samples(run: Run, prompts: Sequence[Path]) -> list[dict[str, Any]]:
    prompt_of = prompts_of_run(run, prompts)
    model = run.manifest.model.name
    return [_sample(record, prompt_of(record.question), model) for record in run.records]


def _sample(record: Record, prompt: Rendered, model: str) -> dict[str, Any]:
    answer = {"role": "assistant", "content": record.text, "model": model, "source": "generate"}
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    stop = STOP_REASONS.get(record.finish_reason, "unknown")
    scores = {
        name: {
            "value": VALUES[getattr(record, outcome)],
            "answer": getattr(record, extraction).answer,
            "explanation": f"read by {getattr(record, extraction).rule}: {getattr(record, reason)}",
        }
        for name, outcome, extraction, reason in READINGS
        if getattr(record, outcome) != "unscored"
    }
    return {
        "id": record.id,
        "epoch": record.sample + 1,
        "input": prompt,
        "target": record.gold or "",
        "messages": [*messages, answer],
        "output": {
            "model": model,
            "choices": [{"message": answer, "stop_reason": stop}],
            "usage": _usage(record),
        },
        "scores": scores,
        "metadata": {
            "outcome": record.outcome,
            "reason": record.reason,
            "truncated": record.truncated,
        },
        "model_usage": {model: _usage(record)},
    }
