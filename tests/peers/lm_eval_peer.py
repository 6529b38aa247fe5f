"""Runs in lm-evaluation-harness's own environment: makes real logs, and reads logs with its readers.

    python lm_eval_peer.py make ROWS.jsonl COMPLETIONS.json OUT MODEL
    python lm_eval_peer.py read OUT

`make` runs the harness's own gsm8k task over local rows with completions that are given (a map from
question to text). `read` prints what the harness's readers find in a results folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lm_eval
import yaml
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.utils import (
    get_file_task_name,
    get_latest_filename,
    get_results_filenames,
    get_sample_results_filenames,
    make_table,
)


class Given(LM):
    """A model whose answers stand in a file."""

    def __init__(self, completions: dict[str, str]) -> None:
        super().__init__()
        self.completions = completions

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        return [self.completions[request.doc["question"]] for request in requests]

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Any]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[Any]:
        raise NotImplementedError


def make(rows: str, completions: str, out: str, model: str) -> None:
    config = yaml.safe_load((Path(lm_eval.__file__).parent / "tasks/gsm8k/gsm8k.yaml").read_text())
    config |= {
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {"train": rows, "test": rows}},
        "num_fewshot": 0,
    }
    tracker = EvaluationTracker(output_path=out)
    results = lm_eval.simple_evaluate(
        model=Given(json.loads(Path(completions).read_text())),
        model_args=f"pretrained={model}",
        tasks=[config],
        evaluation_tracker=tracker,
        bootstrap_iters=0,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, lines in samples.items():
        tracker.save_results_samples(task_name=task, samples=lines)


def read(out: str) -> None:
    """The newest results and samples of a folder, found and read as the harness's own code does."""
    from datasets import load_dataset

    names = [str(path) for path in Path(out).rglob("*") if path.is_file()]
    results = json.loads(Path(get_latest_filename(get_results_filenames(names))).read_text(encoding="utf-8"))
    samples = get_latest_filename(get_sample_results_filenames(names))
    lines = load_dataset("json", data_files=samples, split="train", cache_dir=str(Path(out) / ".cache"))
    means = {}
    for name in sorted(set(lines["filter"])):
        scores = [line["exact_match"] for line in lines if line["filter"] == name]
        scores = [score for score in scores if score is not None]
        means[name] = sum(scores) / len(scores)
    task = get_file_task_name(Path(samples).name)
    found = {
        "task": task,
        "results": results["results"][task],
        "n": results["n-samples"][task]["effective"],
        "samples": len(set(lines["doc_id"])),
        "means": means,
        "table": make_table(results),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    {"make": make, "read": read}[sys.argv[1]](*sys.argv[2:])
