"""Models that think, from `--thinking-tokens` through vLLM to records, table and `rescore`.

pytest tests/evalkit/engines/test_thinking_runs.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opening_model import opening_model

from evalkit.compare.diff import diff_runs
from evalkit.engines.base import Engine
from evalkit.models.resolve import resolve_model
from evalkit.records import Completion
from evalkit.runs.folder import Run
from evalkit.runs.rescore import rescore
from evalkit.runs.table import figures
from evalkit.score.pipeline import score_model
from evalkit.score.plan import plan_run, select
from evalkit.tasks.load import load_rows
from prompts.errors import Mismatch
from prompts.tokens import load_tokenizer

pytestmark = pytest.mark.engine
COMMAND = "evalkit score"
ROWS = 8


class Thoughtful:
    """An engine whose model thinks: each completion of it stands behind these words."""

    def __init__(self, engine: Engine, ids: list[int]) -> None:
        self.engine, self.ids = engine, ids

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def generate(self, *asked: Any) -> Iterator[Completion]:
        for completion in self.engine.generate(*asked):
            yield replace(completion, token_ids=(*self.ids, *completion.token_ids))


def scored(folder: Path, source: Path, engine: Any, opens: str, budget: int, words: str = "") -> Run:
    """The first sums under a chat template that ends with `opens`; `words` come before each answer."""
    path = opening_model(source, folder / "model", opens)
    plan = plan_run(resolve_model(str(path)), select(load_rows("sums"), ROWS, []), thinking_tokens=budget)
    if words:
        ids = load_tokenizer(path)(words, add_special_tokens=False)["input_ids"]
        engine = Thoughtful(engine, ids)
    return score_model(plan, command=COMMAND, results=folder / "results", load=lambda _: engine)


def outcomes(run: Run) -> list[tuple[str, str, Any]]:
    return [(record.outcome, record.reason, record.extraction.span) for record in run.records]


def test_a_block_that_is_never_closed(smollm2: Path, tmp_path: Path, vllm_engine: Any) -> None:
    run = scored(tmp_path, smollm2, vllm_engine, "<think>\n", 8)
    assert run.lock.reading["thinking"] == {
        "version": 2,
        "opens": "<think>",
        "special": ["[/THINK]", "[THINK]"],
        "budget": 8,
        "forced": False,
    }
    never = [record for record in run.records if "</think>" not in record.text]
    assert len(never) > ROWS / 2
    assert {(record.outcome, record.reason) for record in never} == {("no_answer", "unfinished thinking")}
    assert all(record.thinking_tokens == record.completion_tokens for record in never)
    ends = [record for record in run.records if not record.truncated]
    assert all(record.markers and record.markers[-1][1] == "<|im_end|>" for record in ends)
    assert run.summary.unfinished_thinking == len(never) / ROWS
    assert "never closed their thinking" in dict(figures(run))["unfinished"]
    assert outcomes(rescore(run, rule=None, command="again")) == outcomes(run)


@pytest.mark.parametrize("opens", ["<think>\n", ""])
def test_what_follows_the_block_is_read_within_the_budget(
    smollm2: Path, tmp_path: Path, vllm_engine: Any, opens: str
) -> None:
    """A block that the prompt opened in plain text, and one of special tokens that the model opened."""
    words = "It is 999.</think>" if opens else "[THINK]It is 999.[/THINK]"
    within = scored(tmp_path / "within", smollm2, vllm_engine, opens, 64, words)
    beyond = scored(tmp_path / "beyond", smollm2, vllm_engine, opens, 2, words)
    thought = {record.thinking_tokens for record in within.records}
    assert len(thought) == 1 and thought.pop() > 2
    text = words.removeprefix("[THINK]").removesuffix("[/THINK]")
    for record in within.records:
        assert record.text.startswith(text)
        span = record.extraction.span
        assert span is None or span[0] >= len(text)
        assert record.outcome in ("correct", "wrong") if span else record.outcome == "no_answer"
    assert any(record.extraction.span for record in within.records)
    assert {(r.outcome, r.reason) for r in beyond.records} == {("no_answer", "thinking over its budget")}
    for run in (within, beyond):
        assert outcomes(rescore(run, rule=None, command="again")) == outcomes(run)
    with pytest.raises(Mismatch) as refused:
        diff_runs(within, beyond)
    assert "thinking.budget" in refused.value.detail
