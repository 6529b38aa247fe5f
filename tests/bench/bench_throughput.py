"""Tokens per second of `evalkit score` divided by those of plain `vllm.LLM.generate`.

    make bench
    python tests/bench/bench_throughput.py --model MODEL --prompts 1319 --max-tokens 512 [--defaults]

Peers get the same token ids and stop ids. "same engine" is evalkit's engine, called plainly in turns: what
reading, scoring and writing cost. "vLLM's defaults" (with --defaults) is `vllm.LLM(model)` in a process of
its own, as vLLM's documentation has it. Medians of the rounds after the first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from evalkit.records import Sampling
from evalkit.score.pipeline import score_model
from evalkit.score.plan import RunPlan, plan_run, select
from evalkit.settings import settings
from evalkit.tasks.load import load_rows

pytestmark = [pytest.mark.engine, pytest.mark.slow]
ROUNDS = 3
DEFAULTS = """
import json, sys, time
from vllm import LLM, SamplingParams
from vllm.inputs import TokensPrompt

if __name__ == "__main__":
    asked = json.load(open(sys.argv[1]))
    llm = LLM(model=asked["model"], max_model_len=asked["max_model_len"])
    prompts = [TokensPrompt(prompt_token_ids=ids) for ids in asked["prompts"]]
    sampling = SamplingParams(temperature=0, max_tokens=asked["max_tokens"], stop_token_ids=asked["stop_ids"])
    speeds = []
    for _ in range(asked["rounds"]):
        llm.reset_prefix_cache()
        start = time.monotonic()
        outputs = llm.generate(prompts, sampling)
        speeds.append(sum(len(o.outputs[0].token_ids) for o in outputs) / (time.monotonic() - start))
    json.dump(speeds, open(sys.argv[2], "w"))
"""


def plan_for(model: Any, data: Path | None, prompts: int, max_tokens: int) -> RunPlan:
    task = select(load_rows("gsm8k", data=data), prompts, [])
    return plan_run(model, task, sampling=Sampling(max_tokens=max_tokens))


def in_turns(engine: Any, plan: RunPlan, folder: Path) -> tuple[float, float]:
    """Tokens per second of evalkit and of the same engine called plainly."""
    from vllm.inputs import TokensPrompt

    from evalkit.engines.vllm import sampling_params

    ids = [TokensPrompt(prompt_token_ids=list(prompt)) for prompt in plan.prompts]
    parameters = sampling_params(plan.sampling, plan.stop_ids, 0)
    ours, plain = [], []
    for number in range(ROUNDS + 1):  # the first round warms up
        engine.llm.reset_prefix_cache()
        run = score_model(
            plan, command="", results=folder, output=folder / f"{number}", load=lambda _: engine
        )
        ours.append(run.summary.tokens_per_second)
        engine.llm.reset_prefix_cache()
        start = time.monotonic()
        outputs = engine.llm.generate(ids, parameters, use_tqdm=False)
        plain.append(sum(len(o.outputs[0].token_ids) for o in outputs) / (time.monotonic() - start))
    return statistics.median(ours[1:]), statistics.median(plain[1:])


def with_defaults(plan: RunPlan, max_model_len: int, folder: Path) -> float:
    """Tokens per second of vLLM as it comes."""
    asked = {
        "model": str(plan.model.folder),
        "max_model_len": max_model_len,
        "prompts": [list(prompt) for prompt in plan.prompts],
        "max_tokens": plan.sampling.max_tokens,
        "stop_ids": list(plan.stop_ids),
        "rounds": ROUNDS + 1,
    }
    script, question, answer = folder / "defaults.py", folder / "asked.json", folder / "speeds.json"
    script.write_text(DEFAULTS)
    question.write_text(json.dumps(asked))
    subprocess.run([sys.executable, script, question, answer], check=True, stdout=subprocess.DEVNULL)
    return statistics.median(json.loads(answer.read_text())[1:])


def say(name: str, ours: float, theirs: float) -> float:
    print(f"evalkit score {ours:,.0f} tokens/s, {name} {theirs:,.0f} tokens/s, ratio {ours / theirs:.3f}")
    return ours / theirs


def test_throughput(vllm_engine: Any, trapped_model: Any, data_folder: Path, tmp_path: Path) -> None:
    assert (
        say("same engine", *in_turns(vllm_engine, plan_for(trapped_model, data_folder, 64, 128), tmp_path))
        >= 0.95
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--defaults", action="store_true", help="compare with vLLM as it comes, too")
    parser.add_argument("--gpu-memory", type=float, default=0.9)
    parser.add_argument("--max-model-len", type=int, default=2048)
    arguments = parser.parse_args()

    from evalkit.engines.base import EngineOptions
    from evalkit.engines.load import make_engine
    from evalkit.models.resolve import resolve_model

    chosen = resolve_model(arguments.model)
    plan = plan_for(chosen, settings().data, arguments.prompts, arguments.max_tokens)
    options = EngineOptions(max_model_len=arguments.max_model_len, gpu_memory=arguments.gpu_memory, copies=1)
    with tempfile.TemporaryDirectory() as scratch:
        loaded = make_engine("vllm", chosen, options)
        ours, plain = in_turns(loaded, plan, Path(scratch))
        loaded.close()
        say("same engine", ours, plain)
        if arguments.defaults:
            say("vLLM's defaults", ours, with_defaults(plan, arguments.max_model_len, Path(scratch)))
