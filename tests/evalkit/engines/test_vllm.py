"""The real vLLM, loaded once: sampling is ours alone, every prompt comes back, a stopped run resumes.

pytest tests/evalkit/engines/test_vllm.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from evalkit.engines.base import EngineOptions, Request
from evalkit.engines.load import make_engine
from evalkit.models.resolve import Model
from evalkit.records import Completion, Sampling
from evalkit.runs.folder import read_run
from evalkit.score.pipeline import score_model
from evalkit.score.plan import RunPlan, plan_run, select
from evalkit.score.prompt_cost import prompt_cost, render_cost, templates_for
from evalkit.tasks.load import load_rows
from prompts.errors import Failed, UserError
from prompts.tokens import decode

pytestmark = pytest.mark.engine
COMMAND = "evalkit score"


def plan_of(model: Model, limit: int = 16, **options: Any) -> RunPlan:
    return plan_run(model, select(load_rows("sums"), limit, []), **options)


def requests_of(plan: RunPlan, seed: int = 0) -> list[Request]:
    return [Request(index=i, sample=0, prompt_ids=ids, seed=seed + i) for i, ids in enumerate(plan.prompts)]


def texts(plan: RunPlan, completions: Sequence[Completion]) -> list[str]:
    return [decode(plan.tokenizer, c.token_ids) for c in sorted(completions, key=lambda c: c.index)]


def test_every_sampling_field_is_ours(vllm_engine: Any) -> None:
    """Fields of vLLM's that the module leaves alone must be known here not to change a completion."""
    from vllm import SamplingParams

    from evalkit.engines.vllm import sampling_params

    harmless = {
        "extra_args",
        "flat_logprobs",
        "include_stop_str_in_output",
        "logprob_token_ids",
        "prompt_logprob_start",
        "prompt_logprob_token_ids",
        "output_text_buffer_length",
        "repetition_detection",
        "routed_experts_prompt_start",
        "skip_clone",
        "skip_reading_prefix_cache",
        "skip_special_tokens",
        "spaces_between_special_tokens",
        "stream_interval",
        "thinking_token_budget",
        "trace_decode_token_ids",
    }
    import inspect

    source = inspect.getsource(sampling_params)
    unset = {
        name
        for name in SamplingParams.__struct_fields__
        if not name.startswith("_") and f"{name}=" not in source and f'"{name}"' not in source
    }
    assert unset <= harmless
    assert {
        name for name in harmless & unset if getattr(SamplingParams(), name) not in (None, False, True, 0)
    } == set()


def test_generation_config_does_not_leak(vllm_engine: Any, trapped_model: Model) -> None:
    """The folder asks for temperature 5 and 3 tokens; greedy stays greedy and as long as it is."""
    plan = plan_of(trapped_model)
    first, second = (
        texts(plan, list(vllm_engine.generate(requests_of(plan, seed), plan.sampling, plan.stop_ids)))
        for seed in (0, 1000)
    )
    assert sum(a == b for a, b in zip(first, second, strict=True)) >= 14
    assert max(len(plan.tokenizer(text)["input_ids"]) for text in first) > 8
    assert plan.stop_ids == (0, 2)  # its end tokens do count


def test_only_our_stop_ids_stop(vllm_engine: Any, trapped_model: Model) -> None:
    plan = plan_of(trapped_model)
    equals = plan.tokenizer(" =")["input_ids"][-1]
    sampling = Sampling(max_tokens=24)
    stopped = list(vllm_engine.generate(requests_of(plan), sampling, [equals]))
    ended = [c for c in stopped if c.finish_reason == "stop"]
    assert ended and all(c.token_ids[-1] == equals and equals not in c.token_ids[:-1] for c in ended)
    assert all(len(c.token_ids) == 24 for c in stopped if c.finish_reason == "length")
    free = list(vllm_engine.generate(requests_of(plan), Sampling(max_tokens=96), [49000]))
    assert all(c.finish_reason == "length" for c in free)  # the end token 2 did not stop them
    assert any(2 in c.token_ids for c in free)


def test_seeds_decide_samples(vllm_engine: Any, trapped_model: Model) -> None:
    plan, sampling = plan_of(trapped_model, 8), Sampling(temperature=1.0, max_tokens=12)
    runs = [
        texts(plan, list(vllm_engine.generate(requests_of(plan, seed), sampling, plan.stop_ids)))
        for seed in (1, 1, 99)
    ]
    assert sum(a == b for a, b in zip(runs[0], runs[1], strict=True)) >= 7
    assert sum(a == b for a, b in zip(runs[0], runs[2], strict=True)) <= 4


def test_a_refused_request_is_an_error_of_that_request(vllm_engine: Any, trapped_model: Model) -> None:
    plan = plan_of(trapped_model, 4)
    requests = [*requests_of(plan), Request(index=9, sample=0, prompt_ids=[5] * 5000, seed=0)]
    found = {c.index: c for c in vllm_engine.generate(requests, plan.sampling, plan.stop_ids)}
    assert sorted(found) == [0, 1, 2, 3, 9]
    assert found[9].finish_reason == "error" and "refused" in str(found[9].error)
    assert all(found[i].finish_reason != "error" for i in range(4))


def test_rows_in_are_rows_out(vllm_engine: Any, trapped_model: Model, tmp_path: Path) -> None:
    """With several samples, a prompt too long, a duplicate and a row without gold."""
    rows = [{"question": f"What is {a} + 2?", "answer": str(a + 2)} for a in range(1, 6)]
    rows += [
        rows[0],
        {"question": "What is 1 + 1?", "answer": None},
        {"question": "1 + " * 3000, "answer": "7"},
    ]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    plan = plan_run(
        trapped_model,
        load_rows(str(tmp_path / "rows.jsonl")),
        prompt="sums",
        sampling=Sampling(temperature=0.7, samples=3, max_tokens=12),
        options=EngineOptions(max_model_len=1024),
    )
    run = score_model(plan, command=COMMAND, results=tmp_path, load=lambda _: vllm_engine)
    assert len(run.records) == 8 * 3 == len({(r.id, r.sample) for r in run.records})
    assert run.summary.unscored_reasons.keys() == {
        "prompt too long",
        "no gold",
        f"duplicate of {plan.task.rows[0].id}",
    }
    assert set(run.summary.unscored_reasons.values()) == {3}
    assert run.summary.n == 5
    assert sum(run.manifest.counts.values()) == 24 and run.manifest.counts["unscored"] == 9
    assert all(r.lenient_outcome == "correct" for r in run.records if r.outcome == "correct")


class Breaking:
    """The real engine, failing as a whole after some completions."""

    name, version, dtype, fast_decode, copies, swapped = "vllm", "0", "float32", False, 1, False
    marks: tuple[str, ...] = ()

    def __init__(self, engine: Any, after: int) -> None:
        self.engine, self.after, self.asked = engine, after, 0

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, stop_ids: Sequence[int]
    ) -> Iterator[Completion]:
        self.asked = len(requests)
        for number, completion in enumerate(self.engine.generate(requests, sampling, stop_ids)):
            if number == self.after:
                raise Failed("the engine died")
            yield completion

    def close(self) -> None:
        raise AssertionError("an engine that was handed in is not closed")


def test_a_failed_run_goes_on_where_it_was(vllm_engine: Any, trapped_model: Model, tmp_path: Path) -> None:
    plan = plan_of(trapped_model, 24)
    with pytest.raises(Failed, match="died"):
        score_model(plan, command=COMMAND, results=tmp_path, load=lambda _: Breaking(vllm_engine, 7))
    (folder,) = tmp_path.iterdir()
    before = (folder / "records.jsonl").read_bytes()
    assert before.count(b"\n") == 7 and not read_run(folder).complete
    first = read_run(folder)
    assert first.manifest.timed_tokens == sum(r.completion_tokens for r in first.records)
    whole = Breaking(vllm_engine, 1000)
    run = score_model(plan, command=COMMAND, results=tmp_path, load=lambda _: whole)
    assert whole.asked == 17
    assert (folder / "records.jsonl").read_bytes().startswith(before)
    assert len({r.id for r in run.records}) == len(run.records) == 24 and run.complete
    manifest, tokens = run.manifest, sum(r.completion_tokens for r in run.records)
    assert all(
        0 < getattr(first.manifest.times, phase) < getattr(manifest.times, phase)
        for phase in ("load", "generate", "score")
    )
    assert manifest.timed_tokens == tokens
    assert run.summary.tokens_per_second == tokens / manifest.times.generate
    again = score_model(
        plan, command=COMMAND, results=tmp_path, load=lambda _: pytest.fail("it was complete")
    )
    assert again.manifest == run.manifest
    other = plan_of(trapped_model, 24, sampling=Sampling(max_tokens=20))
    with pytest.raises(UserError, match=r"another run.*budget\.max_tokens"):
        score_model(other, command=COMMAND, results=tmp_path, output=folder)


def test_prompts_cost_compares_with_the_best(vllm_engine: Any, trapped_model: Model, tmp_path: Path) -> None:
    task, options = select(load_rows("sums"), 48, []), EngineOptions()
    templates = templates_for(trapped_model, task, (), options)
    assert {template.ref for template in templates} == {"sums@1", "sums-hash@1", "sums-question@1"}
    for template in templates:
        plan = plan_run(trapped_model, task, prompt=template.ref)
        score_model(plan, command=COMMAND, results=tmp_path, load=lambda _: vllm_engine)
    cost = prompt_cost(  # every run is complete, so no engine is loaded
        trapped_model,
        task,
        sampling=Sampling(max_tokens=task.max_tokens),
        engine="vllm",
        options=options,
        command=COMMAND,
        results=tmp_path,
    )
    accuracies = [run.summary.accuracy for run in cost.runs]
    assert accuracies == sorted(accuracies, reverse=True) and accuracies[0] > accuracies[-1]
    assert cost.diffs[0] is None
    for run, diff in zip(cost.runs[1:], cost.diffs[1:], strict=True):
        assert diff is not None and diff.n == 48
        assert diff.delta == pytest.approx(run.summary.accuracy - accuracies[0])
    table = render_cost(cost, "table")
    assert "best" in table.splitlines()[2] and table.count("points") == 2
    with pytest.raises(UserError, match="two are needed"):
        templates_for(trapped_model, replace(task, name="unheard-of"), (), options)


def test_plain_transformers_agrees(vllm_engine: Any, trapped_model: Model) -> None:
    plan = plan_of(trapped_model, 40)
    other = make_engine("hf", trapped_model, EngineOptions())
    fast = list(vllm_engine.generate(requests_of(plan), plan.sampling, plan.stop_ids))
    slow = list(other.generate(requests_of(plan), plan.sampling, plan.stop_ids))
    assert {c.finish_reason for c in slow} == {"stop", "length"}
    assert len(slow) == 40 and all(2 not in c.token_ids[:-1] for c in slow)
    pairs = zip(texts(plan, fast), texts(plan, slow), strict=True)
    assert sum(a[:8] == b[:8] for a, b in pairs) >= 32  # bfloat16 in two orders of summing


def test_a_plan_fits_the_engine_to_its_prompts(trapped_model: Model) -> None:
    plan = plan_of(trapped_model)
    assert plan.needed == 512 and replace(plan, sampling=Sampling(max_tokens=500)).needed == 1024
    short = replace(plan, options=EngineOptions(max_model_len=30))
    assert short.needed == 30 and short.too_long(range(30)) and not short.too_long(range(29))
