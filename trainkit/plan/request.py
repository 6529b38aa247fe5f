"""What `trainkit plan` is asked: options, the model's shape, and prompt lengths from a sample of rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from evalkit.machine import Gpu, computes_in_float32, find_gpus
from evalkit.models.resolve import ModelFiles, find_model_files
from evalkit.records import Row
from prompts.errors import UserError
from prompts.render import render
from prompts.tokens import encode, load_tokenizer
from trainkit.data.inputs import PROMPT_LENGTH, find_inputs
from trainkit.data.rows import PartRows, check_left, split_inputs
from trainkit.data.select import Selected
from trainkit.options import Options
from trainkit.plan import reference
from trainkit.plan.batch import total_steps
from trainkit.plan.estimate import EstimateFor
from trainkit.plan.kernels import find_kernels
from trainkit.plan.model_shape import read_shape

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CHARACTERS = 3
"""Of a token, where nothing better is known; English has four, numbers and other languages fewer."""
SAMPLED_ROWS = 500
"""Prompt lengths are measured on all rows of up to twice as many, else on so many, evenly spread."""


def parse_gpu(text: str) -> Gpu:
    """A GPU that is not here, as in H200:141 (name and GiB), or a known one by its name alone.

    Raises UserError where it is neither.
    """
    name, colon, gib = text.rpartition(":")
    if not colon and text in reference.MEMORY_GIB:
        name, gib = text, str(reference.MEMORY_GIB[text])
    if not name or not gib.isdigit() or int(gib) == 0:
        raise UserError(
            f"--on {text!r} is no GPU; write its name and memory in GiB, as in --on H200:140, or one of "
            f"{', '.join(reference.MEMORY_GIB)}"
        )
    return Gpu(0, name, int(gib) * 1024, int(gib) * 1024)


def estimate_for(options: Options, on: Gpu | None) -> EstimateFor:
    """Find out what a plan needs, without writing anything. `on` plans for a GPU that is not here.

    The model's config.json is enough: without weights, tokenizer or task the plan says what it assumed.
    """
    here = find_gpus() if options.device == "cuda" and on is None else ()
    if options.device == "cuda" and on is None and not here:
        raise UserError("no GPU was found; plan for another machine with --on H200:140, or with --device cpu")
    if not options.model:
        raise UserError("--model is missing: a name, a Hugging Face id, or a folder with a config.json")
    files = find_model_files(options.model, trust_remote_code=options.trust_remote_code, weights=False)
    shape = read_shape(files.folder)
    lengths = _lengths(options, files) if options.task else _assumed(options)
    return EstimateFor(
        options=options,
        shape=shape,
        prompt_length=lengths.longest,
        response_length=lengths.response,
        mean_prompt=lengths.mean,
        steps=total_steps(options, lengths.rows) if options.task else options.steps or 1,
        gpu=on or min(here, key=lambda gpu: gpu.free_mib, default=None),
        gpus=(options.gpus or max(1, len(here))) * options.nodes,
        cores=os.cpu_count() or 1,
        float32=computes_in_float32(options.device),
        kernels=find_kernels(options.device, shape, assumed=on is not None),
        assumed=(
            *(["the parameters are those that config.json implies"] if shape.counted else []),
            *lengths.assumed,
        ),
        selected=lengths.selected,
    )


@dataclass(frozen=True)
class Lengths:
    """Tokens of the longest and of the usual prompt and of a response, training rows, what was assumed, and
    what --select chose of the rows.
    """

    longest: int
    mean: float
    response: int
    rows: int
    assumed: tuple[str, ...] = ()
    selected: Selected | None = None


def _assumed(options: Options) -> Lengths:
    """Lengths where no task is named."""
    prompt, response = options.prompt_length or PROMPT_LENGTH, options.response_length or 512
    said = f"no --task: prompts of {prompt} and responses of {response} tokens, {options.steps or 1} steps"
    return Lengths(prompt, prompt, response, 0, (said,))


def _lengths(options: Options, files: ModelFiles) -> Lengths:
    """Lengths measured on a sample of the rows that will be used."""
    inputs = find_inputs(options, files)
    known = any(
        (files.folder / name).exists() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")
    )
    tokenizer = load_tokenizer(files.folder, options.trust_remote_code) if known else None
    split = split_inputs(inputs, tokenizer)
    trained, rows = [], 0.0
    longest = 0
    for used in (*split.train, *split.validation):
        lengths = [length for length in _sample(used, tokenizer) if length <= inputs.max_prompt_tokens]
        fitting = round(len(used.rows) * len(lengths) / max(1, len(_sampled(used.rows))))
        use = "training" if used in split.train else "validation"
        check_left(inputs, use, {used.part.source: fitting}, len(used.rows) - fitting)
        longest = max(longest, *lengths)
        if use == "training":
            trained += lengths
            rows += fitting * used.part.weight
    said = () if known else (f"there is no tokenizer: a token is taken for {CHARACTERS} characters",)
    return Lengths(longest, fmean(trained), inputs.response_length, round(rows), said, split.selected)


def _sampled(rows: Sequence[Row]) -> Sequence[Row]:
    return rows[:: max(1, len(rows) // SAMPLED_ROWS)]


def _sample(used: PartRows, tokenizer: PreTrainedTokenizerFast | None) -> list[int]:
    """Tokens of the prompts in a sample; guessed from their text where there is no tokenizer."""
    template = used.part.template
    rendered = [render(template, row) for row in _sampled(used.rows)]
    if tokenizer is not None:
        return [len(encode(tokenizer, prompt, template.chat_template_kwargs)) for prompt in rendered]
    texts = [p if isinstance(p, str) else "\n\n".join(turn["content"] for turn in p) for p in rendered]
    return [len(text) // CHARACTERS + 16 for text in texts]
