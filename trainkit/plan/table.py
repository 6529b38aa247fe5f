"""A plan as people read it: sentences, and memory and time by part."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from trainkit.draw.share import AT_MOST
from trainkit.plan import reference
from trainkit.plan.batch import count, in_words
from trainkit.plan.duration import OTHER_GPU
from trainkit.plan.estimate import RunEstimate
from trainkit.plan.memory import GIB


def sentences(plan: RunEstimate) -> list[str]:
    """The plan in words, a sentence each."""
    request, peak = plan.request, plan.peak
    where = f"{request.gpus} x {request.gpu.name}" if request.gpu else "the CPU"
    lines = [
        f"{request.options.model}, {request.shape.parameters / 1e9:.2f}B parameters, on {where}; "
        f"prompts of up to {request.prompt_length} and responses of up to {request.response_length} tokens.",
        *in_words(plan.batch, request.mean_tokens, request.steps),
        *drawn(plan),
    ]
    if request.assumed:
        lines.append(f"Assumed: {'; '.join(request.assumed)}.")
    if request.gpu and not any(word in request.gpu.name for word in reference.PEAK_TFLOPS):
        lines.append(
            f"No figures of {request.gpu.name} are known: its speed is taken to be an {OTHER_GPU}'s."
        )
    if plan.gradient_checkpointing:
        lines.append("Activations are computed again in the backward pass: less memory, a third more time.")
    verdict = "it fits" if plan.fits else "it does NOT fit"
    lines.append(
        f"Memory at most about {peak.size / GIB:.1f} GiB, in {peak.name}; "
        f"there are {plan.capacity / GIB:.1f}{' a GPU' if request.gpu else ''}: {verdict}."
    )
    if request.gpu:
        lines.append(
            f"The trainer's own part is {plan.trainer_peak / GIB:.1f} GiB, verl's max_memory_allocated_gb."
        )
    lines.append(
        f"vLLM's KV cache holds {plan.cache_tokens:,} tokens, {whole_answers(plan):,} whole answers."
    )
    start = reference.START_SECONDS["cuda" if request.gpu else "cpu"]
    total = start + request.steps * plan.step_seconds
    lines.append(
        f"About {plan.step_seconds:.0f} s a step, {clock(total)} for {count(request.steps, 'step')} "
        "with the start (to a factor of two; validation and saving come on top)."
    )
    return lines


def drawn(plan: RunEstimate) -> list[str]:
    """What `--select` left, and how many groups will probably teach; more prompts with `--draw needed`."""
    options, selected = plan.request.options, plan.request.selected
    lines = []
    if selected:
        lines.append(
            f"--select keeps {count(selected.rows, 'row')}: {selected.easier:,} are easier and "
            f"{selected.harder:,} harder; {selected.unseen:,} of those kept were never seen."
        )
        if selected.teaching is not None:
            lines.append(
                f"About {selected.teaching:.0%} of their groups will teach, "
                f"{round(options.batch * selected.teaching)} of {options.batch} in a batch."
            )
    if options.draw == "needed" or (options.draw is None and options.algorithm == "dapo"):
        lines.append(
            f"From the second step on so many prompts are drawn that about {options.batch} groups teach, "
            f"{AT_MOST * options.batch} at most: generation takes longer than estimated here."
        )
    return lines


def whole_answers(plan: RunEstimate) -> int:
    """Prompts with full-length responses that the KV cache holds at once."""
    return plan.cache_tokens // plan.request.room


def clock(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def memory_table(plan: RunEstimate) -> Table:
    """Memory by phase and part, with the formulas."""
    table = Table("phase", "part", "GiB", "formula", title="Memory " + ("a GPU" if plan.request.gpu else ""))
    table.columns[2].justify = "right"
    for phase in plan.phases:
        for part in phase.parts:
            if part.size:
                table.add_row("", part.name, f"{part.size / GIB:.2f}", part.formula)
        table.add_row(phase.name, "", f"{phase.size / GIB:.2f}", "", style="bold", end_section=True)
    table.caption = (
        "P parameters, L layers, h hidden, i MLP, q and k heads, V vocabulary, T tokens at once, g GPUs"
    )
    return table


def time_table(plan: RunEstimate) -> Table:
    """Estimated seconds of one step by phase."""
    table = Table("phase", "s", title="Time of a step, estimated")
    table.columns[1].justify = "right"
    for phase, seconds in plan.seconds.items():
        table.add_row(phase, f"{seconds:.1f}")
    return table


def render(plan: RunEstimate) -> Group:
    """Everything, for a terminal."""
    return Group(*(Text(line) for line in sentences(plan)), memory_table(plan), time_table(plan))


def as_dict(plan: RunEstimate) -> dict[str, Any]:
    """The plan for scripts; sizes in bytes per GPU, times in seconds a step.

    `rows_selected` and `groups_probably_teaching` (a share) are null without `--select`.
    """
    selected = plan.request.selected
    return {
        "trajectories": plan.batch.trajectories,
        "mini_batches": plan.batch.updates,
        "optimizer_steps": plan.batch.updates * plan.request.steps,
        "accumulation": plan.batch.accumulation(plan.request.mean_tokens),
        "token_budget": plan.token_budget,
        "gradient_checkpointing": plan.gradient_checkpointing,
        "memory": {
            phase.name: {part.name: round(part.size) for part in phase.parts} for phase in plan.phases
        },
        "peak": round(plan.peak.size),
        "capacity": round(plan.capacity),
        "cache_tokens": plan.cache_tokens,
        "seconds": plan.seconds,
        "rows_selected": selected and selected.rows,
        "groups_probably_teaching": selected and selected.teaching,
        "fits": plan.fits,
        "assumed": list(plan.request.assumed),
    }
