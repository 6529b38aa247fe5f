"""A run as lm-evaluation-harness 0.4 writes it: results_DATE.json and samples_TASK_DATE.jsonl.

The layout is that of lm_eval/loggers/evaluation_tracker.py and lm_eval/result_schema.py of 0.4.13:
one sample line for each question and filter. Our two readings are the filters `strict` and
`lenient`. An unscored question has a sample line without a metric, so that means leave it out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evalkit.exchange.prompts_of_run import prompts_of_run
from evalkit.runs.folder import Run
from evalkit.stats.samples import clustered_se

OutcomeField = Literal["outcome", "lenient_outcome"]
ExtractionField = Literal["extraction", "lenient"]
FILTERS: dict[str, tuple[OutcomeField, ExtractionField]] = {
    "strict": ("outcome", "extraction"),
    "lenient": ("lenient_outcome", "lenient"),
}
"""Names of our two readings, with the fields of a record that hold them."""
METRIC = "exact_match"
NO_ANSWER = "[invalid]"
"""What lm-eval's regex filters give where they find nothing."""


def to_lm_eval(run: Run, prompts: Sequence[Path] = ()) -> dict[str, bytes]:
    """The files of lm-eval's output folder: path in it to content."""
    model = re.sub(r"[\"<>:/|\\?*\[\]]+", "__", run.manifest.model.name)[-100:]
    date = datetime.fromisoformat(run.manifest.date).strftime("%Y-%m-%dT%H-%M-%S.%f")
    task = re.sub(r"\W", "_", Path(run.manifest.task).stem)
    samples = _samples(run, prompts)
    lines = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
    results = json.dumps(_results(run, task, model, samples), indent=2, ensure_ascii=False)
    return {
        f"{model}/results_{date}.json": results.encode(),
        f"{model}/samples_{task}_{date}.jsonl": lines.encode(),
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _samples(run: Run, prompts: Sequence[Path]) -> list[dict[str, Any]]:
    """One line a question and filter; `doc_id` counts questions by id."""
    prompt_of = prompts_of_run(run, prompts)
    sampling = run.manifest.sampling
    kwargs = {
        "until": [],
        "do_sample": bool(sampling.temperature),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_gen_toks": sampling.max_tokens,
    }
    samples = []
    for number, (row_id, group) in enumerate(groupby(run.records, key=lambda record: record.id)):
        records = list(group)
        first = records[0]
        doc = {"id": row_id, "question": first.question, "answer": first.gold or ""}
        prompt = prompt_of(first.question)
        text = prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)
        shared = {
            "doc_id": number,
            "doc": doc,
            "target": doc["answer"],
            "arguments": {"gen_args_0": {"arg_0": text, "arg_1": kwargs}},
            "resps": [[record.text for record in records]],
            "doc_hash": _sha256(json.dumps(doc, indent=2, ensure_ascii=False)),
            "prompt_hash": _sha256(text),
            "target_hash": _sha256(doc["answer"]),
        }
        for name, (outcome, extraction) in FILTERS.items():
            scored = [
                getattr(record, outcome) == "correct" for record in records if record.outcome != "unscored"
            ]
            sample = {
                **shared,
                "filtered_resps": [getattr(record, extraction).answer or NO_ANSWER for record in records],
                "filter": name,
                "metrics": [METRIC] if scored else [],
            }
            if scored:
                sample[METRIC] = sum(scored) / len(scored)
            samples.append(sample)
    return samples


def _results(run: Run, task: str, model: str, samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    manifest, summary = run.manifest, run.summary
    n = len(samples) // len(FILTERS)
    scores: dict[str, Any] = {"name": task, "alias": task, "sample_len": n}
    for name, share in (("strict", summary.accuracy), ("lenient", summary.lenient_accuracy)):
        scores[f"{METRIC},{name}"] = share
        scores[f"{METRIC}_stderr,{name}"] = stderr_of(run, FILTERS[name][0])
    hashes = "".join(s["doc_hash"] + s["prompt_hash"] + s["target_hash"] for s in samples)
    chat_template = run.lock.reading.get("chat_template") or {}
    return {
        "results": {task: scores},
        "group_subtasks": {task: []},
        "configs": {
            task: {
                "task": task,
                "test_split": manifest.split,
                "output_type": "generate_until",
                "description": f"exported by evalkit, lock {manifest.fingerprint}",
                "metadata": {"version": manifest.template},
            }
        },
        "versions": {task: manifest.template},
        "n-shot": {task: 0},
        "higher_is_better": {task: {METRIC: True}},
        "n-samples": {task: {"original": n, "effective": n}},
        "config": {
            "model": manifest.engine.name,
            "model_args": {
                "pretrained": manifest.model.name,
                "revision": manifest.model.revision,
            },
            "gen_kwargs": manifest.sampling.as_dict(),
        },
        "git_hash": manifest.git.commit,
        "date": datetime.fromisoformat(manifest.date).timestamp(),
        "model_source": manifest.engine.name,
        "model_name": manifest.model.name,
        "model_name_sanitized": model,
        "chat_template_sha": chat_template.get("sha256"),
        "task_hashes": {task: _sha256(hashes)},
        "total_evaluation_time_seconds": str(manifest.times.generate),
        "evalkit": {"run": run.name, "fingerprint": manifest.fingerprint, "marks": manifest.marks},
    }


def stderr_of(run: Run, outcome: OutcomeField) -> float:
    """Standard error of the accuracy, clustered by question."""
    scored = [record for record in run.records if record.outcome != "unscored"]
    right = np.array([getattr(record, outcome) == "correct" for record in scored], dtype=np.float64)
    _, question = np.unique([record.id for record in scored], return_inverse=True)
    return clustered_se(right, question)
