"""What many rows cost beside generation: memory and CPU seconds a row, with an engine that answers at once.

    python tests/bench/many_rows.py 10000 100000 1000000
    python tests/bench/many_rows.py steps 10000

Each size runs in a process of its own. Plan: rows read, rendered, encoded, locked. Score: read, graded,
written, read again. Completions have 33 tokens and hold no answer, which the lenient
rule searches longest. `steps` times each step alone, over and over all rows.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from evalkit.engines.base import Request
from evalkit.grade.judge import Judge
from evalkit.records import Completion, Sampling
from evalkit.runs.folder import read_run
from evalkit.runs.summary import summarize
from evalkit.score.from_options import plan_of
from evalkit.score.options import ScoreOptions
from evalkit.score.pipeline import score_model
from evalkit.tasks.load import load_rows
from prompts.lock import ids_sha256
from prompts.reading.completion import decode_completion
from prompts.render import render
from prompts.tokenizer.load import ids_of_all
from prompts.tokens import apply_chat

QUESTION = "A farm has {n} hens and each lays {a} eggs a day. How many are left in {b} days if {c} break?"


class StandIn:
    name, version, dtype, fast_decode, copies, swapped, capacity = "vllm", "0", "float32", False, 1, False, 1
    marks: tuple[str, ...] = ()

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, stop_ids: Sequence[int]
    ) -> Iterator[Completion]:
        ids = (*range(1000, 1032), stop_ids[0])
        for request in requests:
            yield Completion(index=request.index, sample=request.sample, token_ids=ids, finish_reason="stop")

    def close(self) -> None: ...


ASKED: dict[str, Any] = {"model": ["smollm2-135m"], "prompt": "gsm8k-boxed@1", "max_tokens": 64}


def make_file(folder: str, rows: int) -> Path:
    path = Path(folder) / "rows.jsonl"
    with path.open("w") as file:
        for n in range(rows):
            question = QUESTION.format(n=n, a=n % 7, b=n % 30, c=n % 11)
            file.write(json.dumps({"question": question, "answer": str(n)}) + "\n")
    return path


def steps(rows: int) -> None:
    """Print what each step costs by itself: the least of three times, CPU time of all threads."""
    with tempfile.TemporaryDirectory() as folder:
        path = make_file(folder, rows)
        plan = plan_of(ScoreOptions(task=[str(path)], **ASKED))
        run = score_model(plan, command="evalkit score", results=Path(folder), load=lambda _: StandIn())
        tokenizer, count = plan.tokenizer, range(rows)
        rendered = [render(plan.template, row) for row in plan.task.rows]
        texts = [apply_chat(tokenizer, prompt).text for prompt in rendered if not isinstance(prompt, str)]
        ids = (*range(1000, 1032), plan.stop_ids[0])
        decoded = decode_completion(tokenizer, ids, plan.thinking)
        judge = Judge(plan.lock.rule, None, plan.thinking, plan.lock.scorer_version)
        timed: dict[str, Callable[[], Any]] = {
            "read the file, ids of the rows": lambda: load_rows(str(path)),
            "render": lambda: [render(plan.template, row) for row in plan.task.rows],
            "chat template": lambda: [apply_chat(tokenizer, prompt) for prompt in rendered],  # type: ignore[arg-type]
            "tokenize": lambda: [
                ids_of_all(tokenizer, texts[at : at + 256], special=False) for at in count[::256]
            ],
            "hashes of the prompts": lambda: [ids_sha256(prompt) for prompt in plan.prompts],
            "decode": lambda: [decode_completion(tokenizer, ids, plan.thinking) for _ in count],
            "read answers, grade": lambda: [
                judge(decoded.text, row.gold, {"question": row.question}) for row in plan.task.rows
            ],
            "read the run, sum up": lambda: summarize(read_run(run.folder).records, None),
        }
        for name, step in timed.items():
            least = min(_seconds(step) for _ in range(3))
            print(f"{name:32} {1e6 * least / rows:6.1f} µs of CPU a row", flush=True)


def _seconds(step: Callable[[], Any]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def measure(rows: int) -> str:
    """One line of the curve."""
    with tempfile.TemporaryDirectory() as folder:
        path = make_file(folder, rows)
        plan_of(ScoreOptions(task=[str(path)], limit=10, **ASKED))  # imports and the tokenizer are no row's
        start = time.process_time()
        plan = plan_of(ScoreOptions(task=[str(path)], **ASKED))
        planned = time.process_time()
        run = score_model(plan, command="evalkit score", results=Path(folder), load=lambda _: StandIn())
        scored = time.process_time()
        assert sum((run.manifest.counts or {}).values()) == rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    each = [1e6 * seconds / rows for seconds in (planned - start, scored - planned)]
    return f"{rows:>9,} rows: plan {each[0]:.0f}, score {each[1]:.0f} µs of CPU a row; peak {peak:.2f} GiB"


if __name__ == "__main__":
    if sys.argv[1] == "steps":
        steps(int(sys.argv[2]))
    elif len(sys.argv) == 2:
        print(measure(int(sys.argv[1])), flush=True)
    else:
        for size in sys.argv[1:]:
            subprocess.run([sys.executable, __file__, size], check=True)
