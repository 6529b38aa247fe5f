"""vLLM's own scheduler, with a short way through the steps in which every request decodes one token.

With a thousand requests in flight vLLM 0.24 spends more time in its scheduler's Python than a GPU needs for
a small model (results/README.md, "Speed"). Most steps of an evaluation or a rollout are alike: every running
request has its prompt computed and wants its next token. Those are scheduled here in one tight loop, and
their tokens are handed on when a request ends (all that FINAL_ONLY asks for) instead of one at a time.
Every other step is vLLM's own (`super()`), on the same state; test_fast_decode.py compares them.

While more requests wait than there are places, vLLM admits one for each that ends: with a thousand in flight
that is in every step, and no step would be short. Ours admits them in groups (`PART`).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from vllm.sampling_params import RequestOutputKind
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.output import CachedRequestData, SchedulerOutput
from vllm.v1.core.sched.scheduler import PauseState
from vllm.v1.core.sched.utils import check_stop, remove_all
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs
from vllm.v1.kv_cache_interface import FullAttentionSpec
from vllm.v1.request import Request, RequestStatus

from evalkit.engines.vllm_install import SCHEDULER_RAN

PART = 16
"""Requests that wait are admitted once this part (1/16) of all places is free, or there is one for each: on
average 3 % of the places are empty for that. 7,473 questions, 1,024 places: 24,548 tokens/s of an H200 when
one was admitted at a time, 44,213 on 1,319 questions, of which few wait (results/README.md)."""


class DecodeSchedulerOutput(SchedulerOutput):  # type: ignore[misc]
    """A step that was scheduled the short way."""

    preemptions: int = 0
    """How often requests had been preempted by then."""


class DecodeScheduler(AsyncScheduler):  # type: ignore[misc]
    """`scheduler_cls` of vLLM 0.24: the same tokens as its AsyncScheduler, and the same blocks and order
    where no more requests wait than there are places.

    For engines that schedule asynchronously, which vLLM does unless told otherwise. A request that is
    aborted is answered with fewer tokens than vLLM's would be: those that were handed on until then.
    """

    running: list[Request]
    finished_req_ids: set[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.others: set[str] = set()
        """Requests that want more than tokens: while one is there every step is vLLM's own."""
        self.held: defaultdict[str, list[int]] = defaultdict(list)
        """Tokens by request that were not handed on yet."""
        self.preemptions = 0
        self.together = max(1, self.max_num_running_reqs // PART)
        groups = self.kv_cache_config.kv_cache_groups
        self.usable = (
            self.scheduler_config.async_scheduling
            and len(groups) == 1
            and type(groups[0].kv_cache_spec) is FullAttentionSpec
            and not (
                self.connector
                or self.ec_connector
                or self.use_pp
                or self.lora_config
                or self.num_spec_tokens
                or self.num_lookahead_tokens
                or self.needs_kv_cache_zeroing
                or self.enable_return_routed_experts
                or self.defer_block_free
                or self.log_stats
                or self.enable_kv_cache_events
                or self.parallel_config.data_parallel_size > 1
            )
        )
        self.manager = self.kv_cache_manager.coordinator.single_type_managers[0]

    def add_request(self, request: Request) -> None:
        """Take a request, as vLLM does, and note whether it is a plain one."""
        if not is_plain(request):
            self.others.add(request.request_id)
        super().add_request(request)

    def schedule(self, throttle_prefills: bool = False) -> SchedulerOutput:
        """The next step: the short way where all that is to do is a token for each."""
        chosen = self.next_tokens() if self.only_decodes() else None
        return super().schedule(throttle_prefills) if chosen is None else self.schedule_tokens(*chosen)

    def only_decodes(self) -> bool:
        """Whether nobody is to be admitted, and nobody's prompt is still being computed."""
        self.others &= self.requests.keys()
        waiting = len(self.waiting) + len(self.skipped_waiting)
        free = self.max_num_running_reqs - len(self.running)
        return (
            self.usable
            and not self.others
            and (not waiting or free < min(waiting, self.together))
            and not self._inflight_prefills
            and self._pause_state == PauseState.UNPAUSED
            and 0 < len(self.running) <= self.max_num_scheduled_tokens
        )

    def next_tokens(self) -> tuple[list[Request], list[int]] | None:
        """The running requests that decode a token now, and the indices of those that need a block.

        None where one wants more than that, or blocks do not suffice.
        """
        blocks, size = self.manager.req_to_blocks, self.manager.block_size
        longest = self.max_model_len
        # vLLM's first model runner is sent all tokens of a request that it did not compute the step before.
        known = self.requests if self.use_v2_model_runner else self.prev_step_scheduled_req_ids
        chosen: list[Request] = []
        growing: list[int] = []
        for request in self.running:
            computed, pending = request.num_computed_tokens, request.num_output_placeholders
            if pending > 0 and computed + 2 - pending >= request.num_prompt_tokens + request.max_tokens:
                continue  # the step that is under way reaches its last token
            if computed + 1 >= longest:
                continue
            wanted = len(request._all_token_ids) + pending - computed
            if wanted != 1 or request.spec_token_ids or request.request_id not in known:
                return None
            if computed >= len(blocks[request.request_id]) * size:
                growing.append(len(chosen))
            chosen.append(request)
        enough = len(growing) <= self.kv_cache_manager.block_pool.get_num_free_blocks()
        return (chosen, growing) if chosen and enough else None

    def schedule_tokens(self, chosen: list[Request], growing: list[int]) -> SchedulerOutput:
        """One token for each of the chosen; advances them as vLLM's own schedule does."""
        SCHEDULER_RAN[0] = 1
        self.current_step += 1
        self.kv_cache_manager.new_step_starts()
        self.prefill_capacity_bound = bool(self.waiting)
        new_blocks: list[tuple[list[int], ...] | None] = [None] * len(chosen)
        for index in growing:
            allocated = self.kv_cache_manager.allocate_slots(chosen[index], 1)
            assert allocated is not None
            new_blocks[index] = allocated.get_block_ids(allow_none=True)
        names = [request.request_id for request in chosen]
        output = DecodeSchedulerOutput(
            scheduled_new_reqs=[],
            scheduled_cached_reqs=CachedRequestData(
                req_ids=names,
                resumed_req_ids=set(),
                new_token_ids=[],
                all_token_ids={},
                new_block_ids=new_blocks,
                num_computed_tokens=[request.num_computed_tokens for request in chosen],
                num_output_tokens=[len(r._output_token_ids) + r.num_output_placeholders for r in chosen],
            ),
            num_scheduled_tokens=dict.fromkeys(names, 1),
            total_num_scheduled_tokens=len(names),
            scheduled_spec_decode_tokens={},
            scheduled_encoder_inputs={},
            num_common_prefix_blocks=self.kv_cache_manager.get_num_common_prefix_blocks(
                self.running[0].request_id
            ),
            preempted_req_ids=set(),
            finished_req_ids=self.finished_req_ids,
            free_encoder_mm_hashes=self.encoder_cache_manager.get_freed_mm_hashes(),
            new_block_ids_to_zero=None,
            num_spec_tokens_to_schedule=0,
        )
        if not self.use_v2_model_runner:
            self.prev_step_scheduled_req_ids.clear()
            self.prev_step_scheduled_req_ids.update(names)
        for request in chosen:
            request.num_computed_tokens += 1
            request.num_output_placeholders += 1
        self.finished_req_ids = set()
        output.preemptions = self.preemptions
        return output

    def finish_requests(self, *args: Any, **kwargs: Any) -> list[tuple[str, int]]:
        """End requests from outside, as vLLM does; nothing of theirs is held any longer."""
        ended: list[tuple[str, int]] = super().finish_requests(*args, **kwargs)
        for name, _ in ended:
            self.held.pop(name, None)
        return ended

    def _preempt_request(self, *args: Any, **kwargs: Any) -> None:
        """Count it: what is in flight is then vLLM's to sort out."""
        self.preemptions += 1
        super()._preempt_request(*args, **kwargs)

    def update_from_output(self, scheduled: SchedulerOutput, made: Any) -> dict[int, EngineCoreOutputs]:
        """What a step made, by client; where it is vLLM's own way, with all that was held back."""
        if type(scheduled) is DecodeSchedulerOutput and scheduled.preemptions == self.preemptions:
            return self.take_tokens(scheduled, made)
        outputs: dict[int, EngineCoreOutputs] = super().update_from_output(scheduled, made)
        for client in outputs.values():
            for output in client.outputs:
                if output.request_id in self.held:
                    output.new_token_ids = self.held.pop(output.request_id) + output.new_token_ids
        return outputs

    def take_tokens(self, scheduled: SchedulerOutput, made: Any) -> dict[int, EngineCoreOutputs]:
        """Append its token to each request; those that end are handed on, with all their tokens."""
        requests, held = self.requests, self.held
        sampled, where = made.sampled_token_ids, made.req_id_to_index
        size, caches = self.manager.block_size, self.kv_cache_manager.enable_caching
        ended: list[Request] = []
        for name in scheduled.num_scheduled_tokens:
            request = requests.get(name)
            if request is None or request.status is not RequestStatus.RUNNING:
                continue  # aborted meanwhile
            (token,) = sampled[where[name]]
            request._output_token_ids.append(token)
            request._all_token_ids.append(token)
            request.num_output_placeholders -= 1
            if caches:
                if len(request._all_token_ids) % size == 0:
                    request.update_block_hashes()
                done = request.num_computed_tokens - request.num_output_placeholders
                if done % size == 0:
                    self.kv_cache_manager.cache_blocks(request, done)
            held[name].append(token)
            if check_stop(request, self.max_model_len):
                ended.append(request)
        return self.hand_on(ended)

    def hand_on(self, ended: list[Request]) -> dict[int, EngineCoreOutputs]:
        """Outputs of requests that ended, by client; frees their blocks."""
        results: dict[int, EngineCoreOutputs] = {}
        for request in ended:
            output = EngineCoreOutput(
                request_id=request.request_id,
                new_token_ids=self.held.pop(request.request_id),
                finish_reason=request.get_finished_reason(),
                stop_reason=request.stop_reason,
                trace_headers=request.trace_headers,
            )
            results.setdefault(request.client_index, EngineCoreOutputs()).outputs.append(output)
            self._free_request(request)
        if ended:
            self.running = remove_all(self.running, set(ended))
        finished = self.finished_req_ids_dict or {}
        for client, names in finished.items():
            results.setdefault(client, EngineCoreOutputs()).finished_requests = names
        finished.clear()
        return results


def is_plain(request: Request) -> bool:
    """Whether nothing but tokens are asked for, all of them at the end."""
    params = request.sampling_params
    return (
        params is not None
        and params.output_kind == RequestOutputKind.FINAL_ONLY
        and params.num_logprobs is None
        and params.prompt_logprobs is None
        and not params.stop
        and not params.min_tokens
        and params.repetition_detection is None
        and not request.use_structured_output
        and not request.has_encoder_inputs
        and not request.resumable
        and request.lora_request is None
    )
