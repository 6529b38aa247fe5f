"""Tokens per second of `evalkit score` divided by those of plain `vllm.LLM.generate`.

Same engine, token ids and sampling, one after the other in turns; the ratio of medians is printed.

    make bench
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from evalkit.plan import make_plan, select
from evalkit.run import score_model
from evalkit.tasks import load_rows

pytestmark = [pytest.mark.engine, pytest.mark.slow]
PROMPTS, ROUNDS = 64, 3


def test_throughput(vllm_engine: Any, trapped_model: Any, data_folder: Path, tmp_path: Path) -> None:
    from vllm.inputs import TokensPrompt

    from evalkit.engines.vllm import sampling_params
    from evalkit.records import Sampling

    task = select(load_rows("gsm8k", data=data_folder), PROMPTS, [])
    plan = make_plan(trapped_model, task, sampling=Sampling(max_tokens=128))
    prompts = [TokensPrompt(prompt_token_ids=list(ids)) for ids in plan.prompts]
    parameters = sampling_params(plan.sampling, plan.stop_ids, 0)
    ours, plain = [], []
    for number in range(ROUNDS + 1):  # the first round warms up
        vllm_engine.llm.reset_prefix_cache()
        run = score_model(
            plan, command="", results=tmp_path, output=tmp_path / f"{number}", load=lambda _: vllm_engine
        )
        ours.append(run.summary["tokens_per_second"])
        vllm_engine.llm.reset_prefix_cache()
        start = time.monotonic()
        outputs = vllm_engine.llm.generate(prompts, parameters, use_tqdm=False)
        plain.append(sum(len(o.outputs[0].token_ids) for o in outputs) / (time.monotonic() - start))
    ratio = statistics.median(ours[1:]) / statistics.median(plain[1:])
    print(
        f"\nevalkit score {statistics.median(ours[1:]):,.0f} tokens/s, vllm.LLM.generate "
        f"{statistics.median(plain[1:]):,.0f} tokens/s, ratio {ratio:.3f} ({PROMPTS} prompts, {ROUNDS} rounds)"
    )
    assert ratio >= 0.95
