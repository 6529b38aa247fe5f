"""Which groups teach, how they are cut into mini-batches, and how many prompts a step draws.

pytest tests/trainkit/draw/test_groups.py
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainkit.draw.groups import Group, Trajectory, divide, in_order
from trainkit.draw.passes import SELDOM, RowEvidence, pass_order
from trainkit.draw.share import AT_MOST, STEPS, TeachingShare


def trajectories(rewards: list[list[float]], tokens: int = 10) -> list[Trajectory]:
    return [
        Trajectory(f"g{row}_{sample}_0", f"g{row}", sample, row, reward, tokens + row + sample)
        for row, group in enumerate(rewards)
        for sample, reward in enumerate(group)
    ]


steps = st.lists(
    st.lists(st.sampled_from([0.0, 1.0]), min_size=4, max_size=4), min_size=4, max_size=16
).filter(lambda rewards: len(rewards) % 4 == 0)


@given(steps, st.randoms(use_true_random=False))
def test_the_order_is_that_of_seed_and_step_and_not_of_completion(
    rewards: list[list[float]], chance: object
) -> None:
    made = trajectories(rewards)
    shuffled = made.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    first = in_order(made, seed=3, step=7)
    assert in_order(shuffled, seed=3, step=7) == first
    assert [one.sample for group in first for one in group.trajectories] == [0, 1, 2, 3] * len(rewards)
    assert len({in_order(made, 3, step)[0].trajectories[0].group for step in range(60)}) > 1


@given(steps)
def test_leaving_out_changes_neither_mini_batches_nor_divisors(rewards: list[list[float]]) -> None:
    groups = in_order(trajectories(rewards), 0, 1)
    every, less = (divide(groups, 4, leave_out=leave_out) for leave_out in (False, True))
    assert [(part.rows, part.tokens) for part in every.mini_batches] == [
        (part.rows, part.tokens) for part in less.mini_batches
    ]
    assert every.left_out == () and len(every.trained) == 4 * len(rewards)
    for whole, part in zip(every.mini_batches, less.mini_batches, strict=True):
        assert part.trained and set(part.trained) <= set(whole.trained)
        dropped = {one.group for one in whole.trained} - {one.group for one in part.trained}
        assert all(len(set(rewards[int(group[1:])])) == 1 for group in dropped)
        kept = {one.group for one in part.trained}
        # Whole groups only: the advantage of half a group would be another.
        assert len(part.trained) == 4 * len(kept)
    assert sorted(one.key for one in (*less.trained, *less.left_out)) == sorted(
        one.key for one in every.trained
    )


def test_a_mini_batch_in_which_nothing_teaches_keeps_its_shortest_group() -> None:
    groups = in_order(trajectories([[1, 1], [0, 0], [1, 1], [0, 0]]), 0, 1)
    division = divide(groups, 2, leave_out=True)
    assert (division.teaching, division.drawn) == (0, 4)
    for part, half in zip(division.mini_batches, (groups[:2], groups[2:]), strict=True):
        assert part.trained == min(half, key=lambda group: group.tokens).trajectories


def test_a_group_teaches_where_values_differ_and_not_where_rounding_does() -> None:
    same, other = (
        [Trajectory("k", "g", 0, 0, reward, 1) for reward in rewards] for rewards in ([0.1] * 3, [0.1, 0.3])
    )
    assert not Group(tuple(same)).teaches and Group(tuple(other)).teaches


def test_dapo_cuts_what_is_left() -> None:
    groups = in_order(trajectories([[0, 1], [1, 1], [0, 1], [1, 1], [0, 1], [1, 1]]), 0, 1)
    division = divide(groups, 3, leave_out=True, whole=False)
    assert [len(part.trained) for part in division.mini_batches] == [2, 2, 2]
    assert {(part.rows, part.tokens) for part in division.mini_batches} == {(None, None)}
    assert len(divide(groups[:1], 3, leave_out=True, whole=False).mini_batches) == 1


def test_a_step_draws_what_the_last_steps_say() -> None:
    share = TeachingShare()
    assert share.prompts(128, 16, 7000) == 128  # nothing is known yet
    share.note(128, 64)
    assert share.prompts(128, 16, 7000) == 256
    share.note(256, 64)  # 128 of 384
    assert share.prompts(128, 16, 7000) == 384
    for _ in range(STEPS):
        share.note(100, 1)
    assert share.prompts(128, 16, 7000) == AT_MOST * 128
    assert share.prompts(128, 16, 300) == 288  # never a row twice in a step
    for _ in range(STEPS):
        share.note(100, 0)
    assert share.prompts(128, 16, 7000) == AT_MOST * 128
    for _ in range(STEPS):
        share.note(100, 100)
    assert share.prompts(128, 16, 7000) == 128
    again = TeachingShare()
    again.restore(share.state())
    assert again.state() == share.state()


def test_rows_that_taught_nothing_come_up_less_from_the_second_pass_on() -> None:
    evidence = RowEvidence()
    for row in range(400):
        evidence.note(row, [1.0, 1.0] if row % 2 else [0.0, 1.0])
    rows = list(range(400))
    assert pass_order(rows, 1, 5, evidence) == rows
    passes = [set(pass_order(rows, number, 5, evidence)) for number in range(2, 2 + SELDOM)]
    for drawn in passes:
        assert set(range(0, 400, 2)) <= drawn and 20 < len(drawn & set(range(1, 400, 2))) < 80
    assert set.union(*passes) == set(rows)  # none is lost
    evidence.note(1, [0.0, 0.0])  # all right before, all wrong now: it does teach
    assert 1 in evidence.teaching and 1 not in evidence.constant
    nothing = RowEvidence()
    nothing.note(0, [0.0])
    assert all(pass_order([0], number, 5, nothing) == [0] for number in range(2, 6))
