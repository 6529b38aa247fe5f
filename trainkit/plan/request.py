"""What `trainkit plan` is asked: options, the model's shape, and prompt lengths from a sample of rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from evalkit.machine import Gpu, computes_in_float32, find_gpus
from evalkit.records import Row
from prompts.errors import UserError
from prompts.render import render
from prompts.template import Template
from prompts.tokens import encode, load_tokenizer
from trainkit.data.inputs import data_options, find_inputs
from trainkit.data.rows import DataOptions, check_left, chosen_rows, is_repeated, split_rows
from trainkit.options import Options
from trainkit.plan.batch import total_steps
from trainkit.plan.estimate import EstimateFor
from trainkit.plan.kernels import find_kernels
from trainkit.plan.model_shape import read_shape

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SAMPLED_ROWS = 500
"""Prompt lengths are measured on all rows of up to twice as many, else on so many, evenly spread."""


def parse_gpu(text: str) -> Gpu:
    """A GPU that is not here, as in H200:141 (name and GiB); UserError where it is not of that form."""
    name, colon, gib = text.rpartition(":")
    if not colon or not name or not gib.isdigit() or gib == "0":
        raise UserError(f"--on {text!r} is no GPU; write its name and memory in GiB, as in --on H200:140")
    return Gpu(0, name, int(gib) * 1024, int(gib) * 1024)


def estimate_for(options: Options, on: Gpu | None) -> EstimateFor:
    """Find out what a plan needs, without writing anything. `on` plans for a GPU that is not here."""
    here = find_gpus() if options.device == "cuda" and on is None else ()
    if options.device == "cuda" and on is None and not here:
        raise UserError("no GPU was found; plan for another machine with --on H200:140, or with --device cpu")
    inputs = find_inputs(options)
    data = data_options(options, inputs)
    tokenizer = load_tokenizer(inputs.model.folder, options.trust_remote_code)
    rows = chosen_rows(data, inputs.task, inputs.template, tokenizer)
    split = split_rows(data, inputs.task, [row for row in rows if not is_repeated(row)])
    train, trained = _lengths(split.train, data, inputs.template, tokenizer)
    validation, validated = _lengths(split.validation, data, inputs.template, tokenizer)
    too_long = len(split.train) + len(split.validation) - trained - validated
    check_left(data, inputs.task, trained, validated, too_long)
    shape = read_shape(inputs.model.folder)
    return EstimateFor(
        options=options,
        shape=shape,
        prompt_length=max(*train, *validation),
        response_length=inputs.response_length,
        mean_prompt=fmean(train),
        steps=total_steps(options, trained),
        gpu=on or min(here, key=lambda gpu: gpu.free_mib, default=None),
        gpus=(options.gpus or max(1, len(here))) * options.nodes,
        cores=os.cpu_count() or 1,
        float32=computes_in_float32(options.device),
        kernels=find_kernels(options.device, shape, assumed=on is not None),
    )


def _lengths(
    rows: Sequence[Row], data: DataOptions, template: Template, tokenizer: PreTrainedTokenizerFast
) -> tuple[list[int], int]:
    """Tokens of the prompts in a sample that fit, and how many of all rows do (exact for few rows)."""
    sample = rows[:: max(1, len(rows) // SAMPLED_ROWS)]
    lengths = [len(encode(tokenizer, render(template, row), template.chat_template_kwargs)) for row in sample]
    fitting = [length for length in lengths if length <= data.max_prompt_tokens]
    return fitting, round(len(rows) * len(fitting) / max(1, len(sample)))
