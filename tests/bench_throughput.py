"""Tokens per second of `evalkit score` divided by those of plain `vllm.LLM.generate`.

Same engine, token ids and sampling, one after the other in turns; the ratio of medians is printed.

    make bench
    python tests/bench_throughput.py --model MODEL --prompts 1319 --max-tokens 512

The second form takes any model, also on a GPU.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from evalkit.config import settings
from evalkit.plan import make_plan, select
from evalkit.records import Sampling
from evalkit.run import score_model
from evalkit.tasks import load_rows

pytestmark = [pytest.mark.engine, pytest.mark.slow]
ROUNDS = 3


def throughput_ratio(
    engine: Any, model: Any, data: Path | None, prompts: int, max_tokens: int, folder: Path
) -> float:
    """Print the tokens per second of both, and return the ratio of their medians."""
    from vllm.inputs import TokensPrompt

    from evalkit.engines.vllm import sampling_params

    task = select(load_rows("gsm8k", data=data), prompts, [])
    plan = make_plan(model, task, sampling=Sampling(max_tokens=max_tokens))
    ids = [TokensPrompt(prompt_token_ids=list(prompt)) for prompt in plan.prompts]
    parameters = sampling_params(plan.sampling, plan.stop_ids, 0)
    ours, plain = [], []
    for number in range(ROUNDS + 1):  # the first round warms up
        engine.llm.reset_prefix_cache()
        run = score_model(
            plan, command="", results=folder, output=folder / f"{number}", load=lambda _: engine
        )
        ours.append(run.summary["tokens_per_second"])
        engine.llm.reset_prefix_cache()
        start = time.monotonic()
        outputs = engine.llm.generate(ids, parameters, use_tqdm=False)
        plain.append(sum(len(o.outputs[0].token_ids) for o in outputs) / (time.monotonic() - start))
    us, them = statistics.median(ours[1:]), statistics.median(plain[1:])
    print(
        f"\nevalkit score {us:,.0f} tokens/s, vllm.LLM.generate {them:,.0f} tokens/s, ratio {us / them:.3f} "
        f"({prompts} prompts, {ROUNDS} rounds)"
    )
    return us / them


def test_throughput(vllm_engine: Any, trapped_model: Any, data_folder: Path, tmp_path: Path) -> None:
    assert throughput_ratio(vllm_engine, trapped_model, data_folder, 64, 128, tmp_path) >= 0.95


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--gpu-memory", type=float, default=0.9)
    arguments = parser.parse_args()

    from evalkit.engines import EngineOptions, make_engine
    from evalkit.models import resolve_model

    chosen = resolve_model(arguments.model)
    loaded = make_engine("vllm", chosen, EngineOptions(max_model_len=2048, gpu_memory=arguments.gpu_memory))
    with tempfile.TemporaryDirectory() as scratch:
        throughput_ratio(
            loaded, chosen, settings().data, arguments.prompts, arguments.max_tokens, Path(scratch)
        )
    loaded.close()
