"""The batch arithmetic of a training step, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from prompts.errors import UserError
from trainkit.options import Options


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One step. A trajectory is one completion of one prompt.

    `micro_batch` is in trajectories per GPU, None where `token_budget` decides.
    """

    prompts: int
    samples: int
    mini_batch: int
    gpus: int
    micro_batch: int | None
    token_budget: int

    @property
    def trajectories(self) -> int:
        return self.prompts * self.samples

    @property
    def updates(self) -> int:
        """Optimizer steps in one training step."""
        return self.prompts // self.mini_batch

    @property
    def per_update(self) -> int:
        """Trajectories behind one optimizer step, on all GPUs together."""
        return self.mini_batch * self.samples

    def accumulation(self, mean_tokens: float) -> int:
        """Micro-batches whose gradients are added up for one optimizer step on a GPU.

        `mean_tokens` is the usual length of prompt and response together.
        """
        here = self.per_update // self.gpus
        if self.micro_batch:
            return here // self.micro_batch
        return max(1, -(-round(here * mean_tokens) // self.token_budget))


def micro_batch(options: Options, room: int, token_budget: int, gpus: int) -> int | None:
    """Trajectories that verl learns at once; None where it packs them by the token budget.

    On a CPU they are padded, so the budget becomes a micro-batch: the largest that divides
    a rank's share of the mini-batch. `room` is the tokens of the longest prompt and response, `gpus` are
    the ranks of all nodes (on a CPU each node is one).
    """
    if options.micro_batch or options.device != "cpu":
        return options.micro_batch
    whole = options.mini_batch * options.samples // gpus
    most = max(1, token_budget // room)
    return max(size for size in range(1, min(whole, most) + 1) if whole % size == 0)


def check_batch(options: Options, gpus: int) -> None:
    """Refuse a mini-batch that the GPUs cannot share evenly, with the nearest that they can.

    What a single GPU needs (mini-batch divides batch, micro-batch divides mini-batch) is checked by
    trainkit/options.py already.
    """
    if gpus % options.tp:
        raise UserError(f"--tp {options.tp} does not divide {gpus} GPUs; --tp {gcd(options.tp, gpus)} does")
    shared = options.mini_batch * options.samples
    if shared % gpus:
        fits = [
            size
            for size in range(1, options.batch + 1)
            if options.batch % size == 0 and size * options.samples % gpus == 0
        ]
        nearest = min(fits, key=lambda size: abs(size - options.mini_batch), default=None)
        advice = (
            f"the nearest that can be is --mini-batch {nearest}"
            if nearest
            else f"make --samples a multiple of {gpus}"
        )
        raise UserError(
            f"--mini-batch {options.mini_batch} x --samples {options.samples} = {shared} trajectories "
            f"cannot be shared evenly among {gpus} GPUs; {advice}"
        )
    if options.micro_batch and shared // gpus % options.micro_batch:
        here = shared // gpus
        fits = [size for size in range(1, here + 1) if here % size == 0]
        micro = min(fits, key=lambda size: abs(size - (options.micro_batch or 1)))
        raise UserError(
            f"--micro-batch {options.micro_batch} does not divide the {here} trajectories that each of "
            f"{gpus} GPUs has in a mini-batch; --micro-batch {micro} does"
        )


def total_steps(options: Options, rows: int) -> int:
    """Steps of a run over so many training rows; UserError where they are fewer than a batch."""
    if rows < options.batch:
        raise UserError(
            f"--batch {options.batch}: there are only {rows} rows to train on; --batch {rows} at most"
        )
    return options.steps or options.epochs * (rows // options.batch)


def in_words(batch: Batch, mean_tokens: float, steps: int) -> list[str]:
    """What the numbers mean, a sentence each; `mean_tokens` as in `Batch.accumulation`."""
    sentences = [
        f"Each step draws {batch.prompts} prompts x {batch.samples} samples "
        f"= {batch.trajectories:,} trajectories.",
        f"They are learned in {count(batch.updates, 'mini-batch', 'mini-batches')} of "
        f"{batch.mini_batch} prompts ({batch.per_update} trajectories): "
        f"{count(batch.updates, 'optimizer step')} a step, "
        f"{steps * batch.updates:,} in {count(steps, 'step')}.",
    ]
    added = batch.accumulation(mean_tokens)
    where = f" on each of {batch.gpus} GPUs" if batch.gpus > 1 else ""
    if batch.micro_batch:
        sentences.append(
            f"An optimizer step adds up {count(added, 'micro-batch', 'micro-batches')} of "
            f"{count(batch.micro_batch, 'trajectory', 'trajectories')}{where}: "
            "the micro-batch changes memory and speed, not the result."
        )
    else:
        sentences.append(
            f"An optimizer step adds up about {count(added, 'micro-batch', 'micro-batches')} of at most "
            f"{batch.token_budget:,} tokens{where}: the budget changes memory and speed, not the result."
        )
    return sentences


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
