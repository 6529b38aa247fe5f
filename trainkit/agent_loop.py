"""How verl makes one rollout of ours: our token ids in, one final output back, reward in place.

verl loads `Loop` by configuration (`rollout.agent.agent_loop_config_path`), in its own processes.
An exception here would only mark a group as failed; `trainkit.sampler` sees that and stops the run.
"""

from __future__ import annotations

import os
import time
import traceback
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput
from vllm.sampling_params import RequestOutputKind

from prompts.render import Message, Rendered
from prompts.tokens import decode, encode, load_tokenizer
from trainkit.job import Job, read_job
from trainkit.reward import Reward, compute

Row = dict[str, Any]
"""What verl hands over of a parquet row, with `global_steps` and `session_id`."""


class Worker:
    """What all rollouts of a process share: the job, its tokenizer, the open rollout log."""

    def __init__(self, run: str) -> None:
        self.folder = Path(run)
        self.job: Job = read_job(self.folder)
        self.tokenizer = load_tokenizer(self.job.model_folder, self.job.trust_remote_code)
        # O_APPEND: lines of several processes never mix.
        self.log = os.open(self.folder / "rollouts.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.prompt_ids = lru_cache(maxsize=4096)(self._prompt_ids)
        self.log_seconds = 0.0
        """What writing the line before took: a line cannot hold its own."""

    def _prompt_ids(self, messages: tuple[tuple[str, str], ...]) -> tuple[int, ...]:
        rendered: Rendered = [Message(role=role, content=content) for role, content in messages]
        if self.job.raw_prompts:
            rendered = messages[0][1]
        return tuple(encode(self.tokenizer, rendered, self.job.chat_template_kwargs))

    def encode_row(self, row: Row) -> list[int]:
        """The row's prompt ids; raises ValueError where they exceed the run's prompt length."""
        ids = list(self.prompt_ids(tuple((m["role"], m["content"]) for m in row["raw_prompt"])))
        if len(ids) > self.job.prompt_length:
            raise ValueError(f"row {row['extra_info']['id']}: {len(ids)} prompt tokens do not fit")
        return ids


worker = lru_cache(maxsize=None)(Worker)


class Loop(AgentLoopBase):  # type: ignore[misc]
    """One question, one completion."""

    def __init__(self, server_manager: Any, run: str, **_: Any) -> None:
        # The base class builds a tokenizer wrapper for every trajectory; nothing here uses it.
        self.server_manager = server_manager
        self.worker = worker(run)

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput:
        """Generate and score one completion; what goes wrong is written to the run's folder."""
        try:
            return await self._run(sampling_params, row)
        except Exception:
            (self.worker.folder / "rollout_error.txt").write_text(traceback.format_exc())
            raise

    async def _run(self, sampling_params: dict[str, Any], row: Row) -> AgentLoopOutput:
        job, started = self.worker.job, time.perf_counter()
        prompt_ids = self.worker.encode_row(row)
        sampling = {
            **sampling_params,
            "max_tokens": job.response_length,
            "stop_token_ids": list(job.stop_ids),
            "ignore_eos": True,  # the stop ids are the whole truth
            "detokenize": False,
            "output_kind": RequestOutputKind.FINAL_ONLY,
        }
        waiting = time.perf_counter()
        output = await self.server_manager.generate(
            request_id=uuid4().hex, prompt_ids=prompt_ids, sampling_params=sampling
        )
        answered = time.perf_counter()
        response_ids = list(output.token_ids)[: job.response_length]
        if not response_ids:
            raise RuntimeError(f"vLLM gave no token for row {row['extra_info']['id']} ({output.stop_reason})")
        text = decode(self.worker.tokenizer, response_ids)
        truncated = response_ids[-1] not in job.stop_ids
        reward = compute(text, row["reward_model"]["ground_truth"], job.rule)
        ours = waiting - started + time.perf_counter() - answered
        self._log(row, text, len(response_ids), truncated, reward, ours)
        output.extra_fields.update(
            {"reward_extra_info": reward.validation_values(truncated), "turn_scores": [], "tool_rewards": []}
        )
        return AgentLoopOutput(
            prompt_ids=prompt_ids,
            response_ids=response_ids,
            response_mask=[1] * len(response_ids),
            response_logprobs=output.log_probs[: len(response_ids)] if output.log_probs else None,
            reward_score=reward.value,
            num_turns=2,
            metrics=AgentLoopMetrics(generate_sequences=answered - waiting),
            extra_fields=output.extra_fields,
        )

    def _log(self, row: Row, text: str, tokens: int, truncated: bool, reward: Reward, seconds: float) -> None:
        """Append one line to rollouts.jsonl (its keys are listed in docs/training.md)."""
        started = time.perf_counter()
        info = row["extra_info"]
        line = {
            "step": int(row["global_steps"]),
            "validate": info["split"] == "validation",
            "id": info["id"],
            "sample": int(row["session_id"]),
            "question": info["question"],
            "gold": row["reward_model"]["ground_truth"],
            "text": text,
            "reward": reward.value,
            "outcome": reward.outcome,
            "reason": reward.reason,
            "lenient_outcome": reward.lenient,
            "truncated": truncated,
            "completion_tokens": tokens,
            "hook_seconds": round(seconds + self.worker.log_seconds, 6),
        }
        os.write(self.worker.log, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        self.worker.log_seconds = time.perf_counter() - started
