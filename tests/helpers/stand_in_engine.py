"""`evalkit score` with an engine that loads and answers at once, for what a kill does to the files of a run.

    python tests/helpers/stand_in_engine.py score --model … (as evalkit)

All else is evalkit's own: plan, threads, records, manifest. Each completion takes SECONDS and is made of its
request alone, as a greedy model's is.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence

import evalkit.score.pipeline as pipeline
from evalkit.cli.app import main
from evalkit.engines.base import EngineOptions, Request
from evalkit.records import Completion, Sampling

SECONDS = float(os.environ.get("STAND_IN_SECONDS", "0.05"))
LOADING = 1.0


class StandIn:
    name, version, dtype, fast_decode, copies, swapped = "vllm", "0", "float32", False, 1, False
    marks: tuple[str, ...] = ()

    def __init__(self, options: EngineOptions) -> None:
        assert options.log is not None
        options.log.write_text("loading\n")
        time.sleep(LOADING if SECONDS else 0.01)

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, stop_ids: Sequence[int]
    ) -> Iterator[Completion]:
        for request in requests:
            time.sleep(SECONDS)
            drawn = random.Random(str(request.prompt_ids))
            ids = [drawn.randrange(1000, 20000) for _ in range(drawn.randrange(4, sampling.max_tokens))]
            yield Completion(
                index=request.index,
                sample=request.sample,
                token_ids=(*ids, stop_ids[0]),
                finish_reason="stop",
            )

    def close(self) -> None:
        pass


def install() -> None:
    """Have evalkit take this engine for vLLM."""
    pipeline.check_engine = lambda name, options: None
    pipeline.make_engine = lambda name, model, options: StandIn(options)


if __name__ == "__main__":
    install()
    main()
