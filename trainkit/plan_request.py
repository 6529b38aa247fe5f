"""What `trainkit plan` is asked: options, the model's shape, and prompt lengths from a sample of rows."""

from __future__ import annotations

import importlib.util
from statistics import fmean

from evalkit.environment import Gpu, find_gpus
from prompts.errors import UserError
from prompts.render import render
from prompts.tokens import encode, load_tokenizer
from trainkit.config import Options
from trainkit.inputs import find_inputs
from trainkit.model_shape import read_shape
from trainkit.plan import Request
from trainkit.rows import VALIDATION_ROWS, VALIDATION_SHARE

SAMPLED_ROWS = 500
"""Prompt lengths are measured on so many rows, evenly spread over the task."""


def parse_gpu(text: str) -> Gpu:
    """A GPU that is not here, as in H200:141 (name and GiB); UserError where it is not of that form."""
    name, colon, gib = text.rpartition(":")
    if not colon or not name or not gib.isdigit() or gib == "0":
        raise UserError(f"--on {text!r} is no GPU; write its name and memory in GiB, as in --on H200:140")
    return Gpu(0, name, int(gib) * 1024, int(gib) * 1024)


def make_request(options: Options, on: Gpu | None) -> Request:
    """Find out what a plan needs, without writing anything. `on` plans for a GPU that is not here."""
    here = find_gpus() if options.device == "cuda" and on is None else ()
    if options.device == "cuda" and on is None and not here:
        raise UserError("no GPU was found; plan for another machine with --on H200:140, or with --device cpu")
    inputs = find_inputs(options)
    model, task, template = inputs.model, inputs.task, inputs.template
    tokenizer = load_tokenizer(model.folder, options.trust_remote_code)
    rows = task.rows[:: max(1, len(task.rows) // SAMPLED_ROWS)]
    used = min(options.limit or len(task.rows), len(task.rows))
    trained = used - min(VALIDATION_ROWS, round(used * VALIDATION_SHARE))
    limit = options.prompt_length
    lengths = [len(encode(tokenizer, render(template, row), template.chat_template_kwargs)) for row in rows]
    lengths = [length for length in lengths if limit is None or length <= limit] or [limit or 1]
    return Request(
        options=options,
        shape=read_shape(model.folder),
        prompt_length=max(lengths),
        response_length=inputs.response_length,
        mean_prompt=fmean(lengths),
        steps=options.steps or max(1, options.epochs * (trained // options.batch)),
        gpu=on or min(here, key=lambda gpu: gpu.free_mib, default=None),
        gpus=(options.gpus or max(1, len(here))) * options.nodes,
        flash_attention=on is not None or importlib.util.find_spec("flash_attn") is not None,
    )
