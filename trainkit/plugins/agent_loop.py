"""How verl makes one rollout of ours: our token ids in, one final output back, reward in place.

verl loads `Manager` by configuration (`rollout.agent.agent_loop_manager_class`); its workers are processes
of their own. An exception here would only mark a group as failed; `trainkit.plugins.replay_buffer` sees
that and stops the run.
"""

from __future__ import annotations

import asyncio
import os
import time
import traceback
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import orjson
import ray
import torch
import transfer_queue as tq  # type: ignore[import-untyped]
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopManagerTQ, AgentLoopWorkerTQ
from verl.utils.tensordict_utils import list_of_dict_to_tensordict
from vllm.sampling_params import RequestOutputKind

from prompts.reading.completion import Decoded, decode_completion
from prompts.render import from_messages
from prompts.tokens import encode, load_tokenizer
from trainkit.plugins.freeze_heap import freeze_heap
from trainkit.plugins.reward import Reward, Shaping, compute, open_judge
from trainkit.plugins.versions import require
from trainkit.runs.job import Job, read_job
from trainkit.runs.rollout import FILE_NAME, Rollout, as_line

Row = dict[str, Any]
"""What verl hands over of a parquet row, with `global_steps` and `session_id`."""
VALIDATED = ("data_source", "reward_model")
"""What verl's validation reads of a row afterwards."""


class Shared:
    """What all rollouts of a process share: the job, its tokenizer, the open rollout log."""

    def __init__(self, run: str) -> None:
        self.folder = Path(run)
        self.job: Job = read_job(self.folder)
        self.tokenizer = load_tokenizer(self.job.model_folder, self.job.trust_remote_code)
        self.shaping = Shaping.of(self.job)
        self.judge = lru_cache(maxsize=None)(partial(open_judge, self.job))
        # O_APPEND: lines of several processes never mix.
        self.log = os.open(self.folder / FILE_NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.prompt_ids = lru_cache(maxsize=4096)(self._prompt_ids)
        self.log_seconds = 0.0
        """What writing the line before took: a line cannot hold its own."""

    def _prompt_ids(self, source: str, messages: tuple[tuple[str, str], ...]) -> tuple[int, ...]:
        part = self.job.part(source)
        stored = [{"role": role, "content": content} for role, content in messages]
        rendered = from_messages(stored, part.raw_prompts)
        return tuple(encode(self.tokenizer, rendered, part.chat_template_kwargs))

    def encode_row(self, row: Row) -> list[int]:
        """The row's prompt ids; raises ValueError where they exceed the run's prompt length."""
        messages = tuple((m["role"], m["content"]) for m in row["raw_prompt"])
        ids = list(self.prompt_ids(row["data_source"], messages))
        if len(ids) > self.job.prompt_length:
            raise ValueError(f"row {row['extra_info']['id']}: {len(ids)} prompt tokens do not fit")
        return ids


class Worker(AgentLoopWorkerTQ.__ray_actor_class__):  # type: ignore[misc]
    """One question, one completion: verl's worker with our rollout in place of a configured agent loop."""

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        require("agent_loop")
        super().__init__(config, *args, **kwargs)
        self.shared = Shared(config.trainer.default_local_dir)
        freeze_heap()

    async def _run_agent_loop(
        self, sampling_params: dict[str, Any], trajectory: dict[str, Any], **row: Any
    ) -> None:
        """Generate, score and hand over one completion; what goes wrong is written to the run's folder."""
        try:
            await self._rollout(sampling_params, trajectory["validate"], row)
        except Exception:
            (self.shared.folder / "rollout_error.txt").write_text(traceback.format_exc())
            raise

    async def _rollout(self, sampling_params: dict[str, Any], validate: bool, row: Row) -> None:
        job, started = self.shared.job, time.perf_counter()
        prompt_ids = self.shared.encode_row(row)
        sampling = {
            **sampling_params,
            "max_tokens": job.response_length,
            "stop_token_ids": list(job.stop_ids),
            "ignore_eos": True,  # the stop ids are the whole truth
            "detokenize": False,
            "output_kind": RequestOutputKind.FINAL_ONLY,
        }
        waiting = time.perf_counter()
        output = await self.llm_client.generate(
            request_id=uuid4().hex, prompt_ids=prompt_ids, sampling_params=sampling
        )
        answered = time.perf_counter()
        response_ids = list(output.token_ids)[: job.response_length]
        if not response_ids:
            raise RuntimeError(f"vLLM gave no token for row {row['extra_info']['id']} ({output.stop_reason})")
        decoded = decode_completion(
            self.shared.tokenizer, response_ids, job.part(row["data_source"]).thinking
        )
        truncated = response_ids[-1] not in job.stop_ids
        reward = await self._reward(decoded, row, len(response_ids), truncated)
        ours = waiting - started + time.perf_counter() - answered
        self._log(row, decoded, len(response_ids), truncated, reward, ours)
        fields = tensors(prompt_ids, response_ids, reward.value)
        if output.log_probs:
            fields["rollout_log_probs"] = torch.tensor(output.log_probs[: len(response_ids)])
        fields |= {"uid": row["uid"], "num_turns": 2, "row_id": row["extra_info"]["id"]}
        if validate:
            fields |= {key: row[key] for key in VALIDATED}
            fields["extra_fields"] = {"reward_extra_info": reward.validation_values(truncated)}
        await self._hand_over(row, fields, output.extra_fields, "val" if validate else "train")

    async def _reward(self, decoded: Decoded, row: Row, tokens: int, truncated: bool) -> Reward:
        """The reward; a function's call waits in a thread, so that the other rollouts continue."""
        shared, source, about = self.shared, row["data_source"], row["extra_info"]
        gold, judge = row["reward_model"]["ground_truth"], shared.judge(source)
        seen = {"id": about["id"], "question": about["question"], "gold": gold}
        seen["fields"] = orjson.loads(about.get("fields") or "{}")

        def earned() -> Reward:
            reward = compute(
                decoded.text, gold, judge, seen, decoded.markers, decoded.thinking_tokens, truncated
            )
            if shared.shaping is None:
                return reward
            return shared.shaping.pay(
                reward, decoded.text, seen, tokens, shared.job.response_length, truncated
            )

        if shared.job.part(source).grader is None and (shared.shaping is None or shared.shaping.pool is None):
            return earned()
        return await asyncio.to_thread(earned)

    async def _hand_over(self, row: Row, fields: Row, about: dict[str, Any], partition: str) -> None:
        """Put a trajectory where verl's trainer collects it (as verl's own agent_loop_tq.py does)."""
        lengths = {"prompt_len": len(fields["prompts"]), "response_len": len(fields["responses"])}
        tag = {
            "status": "success",
            "row": int(row["extra_info"]["index"]),
            "reward": float(fields["rm_scores"][-1]),
            **lengths,
            "seq_len": sum(lengths.values()),
            "global_steps": row["global_steps"],
            # The weights that it was generated with: verl reports how stale they are.
            "min_global_steps": about.get("min_global_steps"),
            "max_global_steps": about.get("max_global_steps"),
        }
        await tq.async_kv_batch_put(
            keys=[f"{row['uid']}_{row['session_id']}_0"],
            fields=list_of_dict_to_tensordict([fields]),
            tags=[tag],
            partition_id=partition,
        )

    def _log(
        self, row: Row, decoded: Decoded, tokens: int, truncated: bool, reward: Reward, seconds: float
    ) -> None:
        """Append one line to rollouts.jsonl (its keys are listed in docs/training.md)."""
        started = time.perf_counter()
        info = row["extra_info"]
        line = Rollout(
            step=int(row["global_steps"]),
            validate=info["split"] == "validation",
            source=row["data_source"],
            id=info["id"],
            group=row["uid"][:8],
            sample=int(row["session_id"]),
            question=info["question"],
            gold=row["reward_model"]["ground_truth"],
            text=decoded.text,
            reward=reward.value,
            terms=dict(reward.terms) or None,
            outcome=reward.outcome,
            reason=reward.reason,
            lenient_outcome=reward.lenient,
            truncated=truncated,
            completion_tokens=tokens,
            thinking_tokens=decoded.thinking_tokens,
            markers=decoded.markers,
            hook_seconds=round(seconds + self.shared.log_seconds, 6),
        )
        os.write(self.shared.log, as_line(line))
        self.shared.log_seconds = time.perf_counter() - started


def tensors(prompt_ids: list[int], response_ids: list[int], reward: float) -> dict[str, Any]:
    """What verl trains on, per token; the reward stands at the last token of the response."""
    prompts, responses = torch.tensor(prompt_ids), torch.tensor(response_ids)
    whole, mask = torch.cat([prompts, responses]), torch.ones_like(responses)
    scores = torch.zeros(len(responses))
    scores[-1] = reward
    return {
        "prompts": prompts,
        "responses": responses,
        "input_ids": whole,
        "position_ids": torch.arange(len(whole)),
        "response_mask": mask,
        "loss_mask": mask,
        "rm_scores": scores,
    }


class Manager(AgentLoopManagerTQ):  # type: ignore[misc]
    """verl's manager with our workers."""

    early: ClassVar[list[Any]] = []
    """Workers that have started already and wait for their arguments (trainkit.plugins.start_early)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        require("agent_loop")
        super().__init__(*args, **kwargs)
        self.agent_loop_workers_class = ray.remote(Worker)

    async def _init_agent_loop_workers(self) -> None:
        if not self.early:
            await super()._init_agent_loop_workers()
            return
        given = (self.config, self.llm_client, self.teacher_client, self.reward_loop_worker_handles)
        await asyncio.gather(*(worker.begin.remote(*given) for worker in self.early))
        self.agent_loop_workers = self.early
