"""What many rows cost beside generation: memory and CPU seconds a row, with an engine that answers at once.

    python tests/bench/many_rows.py 10000 100000 1000000

Each size runs in a process of its own. Plan: rows read, rendered, encoded, locked. Score: read, graded,
written, read again. Completions have 33 tokens and hold no answer, which the lenient
rule searches longest.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.engines.base import Request
from evalkit.records import Completion, Sampling
from evalkit.score.from_options import plan_of
from evalkit.score.options import ScoreOptions
from evalkit.score.pipeline import score_model

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


def measure(rows: int) -> str:
    """One line of the curve."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        with path.open("w") as file:
            for n in range(rows):
                question = QUESTION.format(n=n, a=n % 7, b=n % 30, c=n % 11)
                file.write(json.dumps({"question": question, "answer": str(n)}) + "\n")
        asked = {"model": ["smollm2-135m"], "prompt": "gsm8k-boxed@1", "max_tokens": 64}
        plan_of(ScoreOptions(task=[str(path)], limit=10, **asked))  # imports and the tokenizer are no row's
        start = time.process_time()
        plan = plan_of(ScoreOptions(task=[str(path)], **asked))
        planned = time.process_time()
        run = score_model(plan, command="evalkit score", results=Path(folder), load=lambda _: StandIn())
        scored = time.process_time()
        assert len(run.records) == rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    each = [1e6 * seconds / rows for seconds in (planned - start, scored - planned)]
    return f"{rows:>9,} rows: plan {each[0]:.0f}, score {each[1]:.0f} µs of CPU a row; peak {peak:.2f} GiB"


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(measure(int(sys.argv[1])), flush=True)
    else:
        for size in sys.argv[1:]:
            subprocess.run([sys.executable, __file__, size], check=True)
