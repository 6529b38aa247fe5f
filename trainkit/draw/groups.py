"""Which groups of a step teach, and the mini-batches that are made of them.

A group is what was sampled for one prompt. Where all its rewards are equal its advantages are zero, and so
is its part of the gradient (GRPO, arXiv 2402.03300, section 4.1.1; the same holds for RLOO, arXiv
2402.14740). Such groups can be left out without changing a weight, as long as three things stay: which
mini-batch a group belongs to, how many optimizer steps there are, and what their losses are divided by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True)
class Trajectory:
    """One completion as the trainer knows it; `tokens` are those of the response."""

    key: str
    group: str
    sample: int
    row: int
    """Where its question stands in the training data."""
    reward: float
    tokens: int


@dataclass(frozen=True)
class Group:
    """All completions of one prompt."""

    trajectories: tuple[Trajectory, ...]

    @property
    def teaches(self) -> bool:
        """Whether rewards differ. Values are compared: the deviation of three times 0.1 is not zero."""
        return len({one.reward for one in self.trajectories}) > 1

    @property
    def tokens(self) -> int:
        return sum(one.tokens for one in self.trajectories)


@dataclass(frozen=True)
class MiniBatch:
    """What one optimizer step learns from, and how large it would be with every group.

    `rows` (completions) and `tokens` (of responses) are those of all its groups: the loss is divided by
    one of them. None: by what is trained on alone.
    """

    trained: tuple[Trajectory, ...]
    rows: int | None
    tokens: int | None


@dataclass(frozen=True)
class Division:
    """A step: its mini-batches, what is left out of them, and how many groups were drawn and teach."""

    mini_batches: tuple[MiniBatch, ...]
    left_out: tuple[Trajectory, ...]
    drawn: int
    teaching: int

    @property
    def trained(self) -> tuple[Trajectory, ...]:
        return tuple(chain.from_iterable(part.trained for part in self.mini_batches))

    @property
    def token_share(self) -> float:
        """Tokens that are trained on, as a share of all tokens of the responses."""
        kept = sum(one.tokens for one in self.trained)
        return kept / (kept + sum(one.tokens for one in self.left_out))


def in_order(trajectories: Iterable[Trajectory], seed: int, step: int) -> list[Group]:
    """Whole groups in an order that seed, step and row decide, and not which of them ended first."""
    groups: dict[str, list[Trajectory]] = {}
    for one in trajectories:
        groups.setdefault(one.group, []).append(one)
    whole = [Group(tuple(sorted(group, key=lambda one: one.sample))) for group in groups.values()]
    return sorted(whole, key=lambda group: _rank(group, seed, step))


def _rank(group: Group, seed: int, step: int) -> tuple[bytes, str]:
    first = group.trajectories[0]
    # A row that was drawn twice: the key makes the order total.
    return hashlib.sha256(f"{seed}:{step}:{first.row}".encode()).digest(), first.group


def divide(groups: Sequence[Group], mini_batches: int, *, leave_out: bool, whole: bool = True) -> Division:
    """Cut groups into mini-batches, and leave out those that do not teach where `leave_out` says so.

    `whole` keeps the mini-batches and divisors of the batch with every group, so that the update is the
    same. Else the groups that are left make up mini-batches of their own, as DAPO has it (arXiv 2503.14476).
    A mini-batch in which nothing teaches keeps its shortest group: its gradient is zero, and its optimizer
    step is taken all the same, as without leaving out.
    """
    used = groups if whole or not leave_out else ([g for g in groups if g.teaches] or groups[:1])
    count = min(mini_batches, len(used))
    parts: list[list[Group]] = [[] for _ in range(count)]
    for place, group in enumerate(used):
        parts[place * count // len(used)].append(group)
    made = [_mini_batch(part, leave_out, whole) for part in parts]
    trained = {one.key for part in made for one in part.trained}
    return Division(
        mini_batches=tuple(made),
        left_out=tuple(one for group in groups for one in group.trajectories if one.key not in trained),
        drawn=len(groups),
        teaching=sum(group.teaches for group in groups),
    )


def _mini_batch(part: Sequence[Group], leave_out: bool, whole: bool) -> MiniBatch:
    kept = [group for group in part if group.teaches or not leave_out]
    kept = kept or [min(part, key=lambda group: group.tokens)]
    return MiniBatch(
        trained=tuple(chain.from_iterable(group.trajectories for group in kept)),
        rows=sum(len(group.trajectories) for group in part) if whole else None,
        tokens=sum(group.tokens for group in part) if whole else None,
    )
