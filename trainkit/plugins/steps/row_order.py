"""Which rows verl's data loader draws, in passes without end, and what a checkpoint must hold of it.

verl's own order (verl/trainer/ppo/utils.py, `create_rl_sampler`) is kept in the first pass: the same seed
draws the same rows. `--draw batch` leaves verl's own sampler in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Sampler

from trainkit.draw.passes import RowEvidence, pass_order
from trainkit.draw.share import TeachingShare


class RowOrder(Sampler[int]):  # type: ignore[misc]
    """Places of rows, pass after pass. Its state holds all that decides the next draws.

    `load_state_dict` takes the state of verl's own sampler too: that of a checkpoint made without this one.
    """

    def __init__(self, rows: int, seed: int, share: TeachingShare, evidence: RowEvidence) -> None:
        self.rows, self.seed = rows, seed
        self.share, self.evidence = share, evidence
        self.generator = torch.Generator()
        self.generator.manual_seed(seed)
        self.number = 0
        self.order: list[int] = []
        self.place = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if self.place == len(self.order):
            self.number += 1
            shuffled = torch.randperm(self.rows, generator=self.generator).tolist()
            self.order = pass_order(shuffled, self.number, self.seed, self.evidence)
            self.place = 0
        self.place += 1
        return self.order[self.place - 1]

    def state_dict(self) -> dict[str, Any]:
        return {
            "generator": self.generator.get_state(),
            "pass": self.number,
            "order": list(self.order),
            "place": self.place,
            "share": self.share.state(),
            "constant": dict(self.evidence.constant),
            "teaching": sorted(self.evidence.teaching),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["generator"])
        if "order" not in state:
            self.number, self.place = 1, state["yielded"]
            self.order = torch.randperm(self.rows, generator=self.generator).tolist()
            return
        self.number, self.order, self.place = state["pass"], list(state["order"]), state["place"]
        self.share.restore(state["share"])
        self.evidence.constant = dict(state["constant"])
        self.evidence.teaching = set(state["teaching"])
