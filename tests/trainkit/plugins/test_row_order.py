"""The rows that verl's data loader draws: verl's own in the first pass, and the same after a kill.

pytest tests/trainkit/plugins/test_row_order.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
stateful = pytest.importorskip("torchdata.stateful_dataloader")

from torchdata.stateful_dataloader.sampler import RandomSampler  # noqa: E402

from trainkit.draw.passes import RowEvidence  # noqa: E402
from trainkit.draw.share import TeachingShare  # noqa: E402
from trainkit.plugins.steps.row_order import RowOrder  # noqa: E402

ROWS, BATCH, FETCHED = 60, 16, 2


class Draws:
    """Draws rows as trainkit's replay buffer and verl's loader do, and teaches by a rule of the row."""

    def __init__(self, seed: int = 3) -> None:
        self.share, self.evidence = TeachingShare(), RowEvidence()
        order = RowOrder(ROWS, seed, self.share, self.evidence)
        self.loader = stateful.StatefulDataLoader(
            dataset=list(range(ROWS)), batch_size=FETCHED, num_workers=0, drop_last=True, sampler=order
        )
        self.iterator: Any = None

    def step(self, number: int) -> list[int]:
        """One training step: what it drew; a third of the rows teaches, and fewer as it goes on."""
        if self.iterator is None:
            self.iterator = iter(self.loader)
        prompts = self.share.prompts(BATCH, FETCHED, ROWS)
        rows = [row for _ in range(prompts // FETCHED) for row in next(self.iterator).tolist()]
        teaching = [row for row in rows if row % 3 == 0 and row > number]
        for row in rows:
            self.evidence.note(row, [0.0, 1.0] if row in teaching else [1.0, 1.0])
        self.share.note(len(rows), len(teaching))
        return rows


def test_the_first_pass_is_verls_own() -> None:
    generator = torch.Generator()
    generator.manual_seed(3)
    verls = list(RandomSampler(list(range(ROWS)), generator=generator))
    ours = RowOrder(ROWS, 3, TeachingShare(), RowEvidence())
    assert [next(ours) for _ in range(ROWS)] == verls


@pytest.mark.parametrize("killed_after", [0, 1, 3, 6])
def test_a_resumed_run_draws_what_the_unbroken_one_draws(tmp_path: Path, killed_after: int) -> None:
    """Draws grow and passes end in between: rows, their number and what was seen are all restored."""
    unbroken = Draws()
    for number in range(killed_after):
        unbroken.step(number)
    torch.save(unbroken.loader.state_dict(), tmp_path / "data.pt")
    expected = [unbroken.step(number) for number in range(killed_after, 12)]
    assert len({len(rows) for rows in expected}) > 1
    assert unbroken.loader.sampler.number > 3
    resumed = Draws()
    resumed.loader.load_state_dict(torch.load(tmp_path / "data.pt", weights_only=False))
    assert [resumed.step(number) for number in range(killed_after, 12)] == expected


def test_a_checkpoint_with_verls_own_sampler_is_resumed() -> None:
    generator = torch.Generator()
    generator.manual_seed(3)
    sampler = RandomSampler(list(range(ROWS)), generator=generator)
    verls = stateful.StatefulDataLoader(list(range(ROWS)), batch_size=FETCHED, num_workers=0, sampler=sampler)
    iterator = iter(verls)
    for _ in range(5):
        next(iterator)
    ours = Draws()
    ours.loader.load_state_dict(verls.state_dict())
    rest = [row for rows in iterator for row in rows.tolist()]
    drawn = iter(ours.loader)
    assert [row for _ in range(len(rest) // FETCHED) for row in next(drawn).tolist()] == rest
