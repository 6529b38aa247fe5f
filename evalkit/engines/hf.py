"""Plain transformers in batches of 32: for machines where vLLM does not run, and to compare speeds with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from evalkit.engines.base import EngineOptions, Request, number_format
from evalkit.engines.copies.slots import slots_of, visible_gpus
from evalkit.models.resolve import Model
from evalkit.records import Completion, Sampling
from prompts.errors import Failed, UserError
from prompts.install import install

BATCH = 32


def check_options(options: EngineOptions) -> list[str | None]:
    """The GPUs of each copy (see `slots_of`); UserError where torch is missing, or an option is not ours."""
    if find_spec("torch") is None:
        raise UserError(f"--engine hf needs torch; in a checkout: {install('hf')}, or `make setup`")
    if options.tp > 1 or options.batch_invariant:
        raise UserError("--tp and --batch-invariant are vLLM's; leave them out with --engine hf")
    return slots_of(options, visible_gpus())


class HfEngine:
    """A model loaded with transformers, on the GPU where there is one."""

    name = "hf"
    fast_decode = False
    copies = 1
    capacity = BATCH
    swapped = False
    marks: tuple[str, ...] = ()

    def __init__(self, model: Model, options: EngineOptions) -> None:
        check_options(options)
        import torch
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self.version = version("transformers")
        self.options = options
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._load(model)

    def _load(self, model: Model) -> None:
        from transformers import AutoModelForCausalLM

        options = self.options
        try:
            self.model: Any = AutoModelForCausalLM.from_pretrained(
                model.folder,
                dtype=number_format(options.dtype, self.device),
                trust_remote_code=options.trust_remote_code,
                local_files_only=True,
            )
            self.model = self.model.to(self.device).eval()
            self.dtype = str(self.model.dtype).removeprefix("torch.")
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise Failed(f"transformers cannot load {model.name}: {str(error).splitlines()[0]}") from error

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        stop_ids: Sequence[int],
        more: Callable[[], Sequence[Request]] | None = None,
    ) -> Iterator[Completion]:
        """Batches of prompts of like length, padded on the left; a batch is handed over as it ends."""
        waiting = _by_length(requests)
        while waiting:
            batch, waiting = waiting[:BATCH], waiting[BATCH:]
            yield from self._generate_batch(batch, sampling, stop_ids)
            if more is not None and (come := more()):
                waiting = _by_length([*waiting, *come])

    def _generate_batch(
        self, batch: Sequence[Request], sampling: Sampling, stop_ids: Sequence[int]
    ) -> Iterator[Completion]:
        import torch

        width = max(len(request.prompt_ids) for request in batch)
        pad = stop_ids[0]
        rows = [[pad] * (width - len(r.prompt_ids)) + list(r.prompt_ids) for r in batch]
        mask = [[0] * (width - len(r.prompt_ids)) + [1] * len(r.prompt_ids) for r in batch]
        # generate() fills fields that stand at their default from the model's own file: replace that too
        self.model.generation_config = _generation_config(sampling, stop_ids, pad)
        torch.manual_seed(batch[0].seed)
        try:
            with torch.inference_mode():
                output = self.model.generate(
                    torch.tensor(rows, device=self.device),
                    attention_mask=torch.tensor(mask, device=self.device),
                    generation_config=self.model.generation_config,
                )
        except RuntimeError as error:  # no memory left is one
            reason = str(error).strip().splitlines()[0]
            raise Failed(f"transformers failed: {reason}; the same command resumes there") from error
        stops = set(stop_ids)
        for request, ids in zip(batch, output[:, width:].tolist(), strict=True):
            end = next((place + 1 for place, token in enumerate(ids) if token in stops), None)
            yield Completion(
                index=request.index,
                sample=request.sample,
                token_ids=tuple(ids[:end]),
                finish_reason="length" if end is None else "stop",
            )

    def swap(self, model: Model) -> str | None:
        """Load the other model as at the start; the imports are saved, and nothing is left of the first."""
        del self.model
        self._load(model)
        return None

    def close(self) -> None:
        """Free the model's memory."""
        del self.model


def _by_length(requests: Sequence[Request]) -> list[Request]:
    return sorted(requests, key=lambda request: len(request.prompt_ids))


def _generation_config(sampling: Sampling, stop_ids: Sequence[int], pad: int) -> Any:
    from transformers import GenerationConfig

    drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    return GenerationConfig(
        do_sample=sampling.temperature > 0,
        max_new_tokens=sampling.max_tokens,
        eos_token_id=list(stop_ids),
        pad_token_id=pad,
        num_beams=1,
        repetition_penalty=1.0,
        **(drawn if sampling.temperature > 0 else {}),
    )
