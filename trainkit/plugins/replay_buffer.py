"""The part of verl's trainer that collects finished rollouts: quick, and strict about losses.

verl's own replay buffer looks every 2 s, and trains on what is left of a failed group. This one looks
as often as it is told, stops the run at the first failed rollout, counts trajectories, notes the prompt
ids of the first batches for `trainkit.verify.tokens`, draws as many prompts as are needed, and divides what
came into mini-batches of whole groups (trainkit.draw).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import transfer_queue as tq  # type: ignore[import-untyped]
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1 import trainer_base
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

from trainkit.draw.groups import Division, Trajectory, divide, in_order
from trainkit.draw.passes import RowEvidence
from trainkit.draw.share import TeachingShare
from trainkit.plugins.agent_loop import Manager
from trainkit.plugins.start_early import start_early
from trainkit.plugins.steps import trainer_steps
from trainkit.plugins.steps.row_order import RowOrder
from trainkit.plugins.switch import left_out
from trainkit.plugins.versions import require
from trainkit.runs.saving import begin_step


class StrictReplayBuffer(ReplayBuffer):  # type: ignore[misc]
    """verl's replay buffer; `sampler_kwargs` holds what trainkit adds (see trainkit/launch/settings.py)."""

    def __init__(self, **kwargs: Any) -> None:
        require("replay_buffer")
        self.ours: dict[str, Any] = dict(kwargs["sampler_kwargs"])
        self.run = Path(self.ours["run"])
        self.samples: dict[str, int] = {"train": self.ours["samples"], "val": 1}
        self.to_note = set(self.samples) if self.ours["note_prompts"] else set()
        self.division: Division | None = None
        """How the newest batch was divided; None where verl divides it itself."""
        self.sizes: list[int] = []
        """Rows of each of its mini-batches on one GPU, padding included (set by trainer_steps)."""
        self.left_out_tags: list[dict[str, Any]] = []
        self.share, self.evidence = TeachingShare(), RowEvidence()
        self.rows = 0
        super().__init__(**kwargs, poll_interval=self.ours["poll_seconds"])
        if (early := self.ours["start_early"]) and "start_early" not in left_out():
            Manager.early = start_early(**early)
        if self.ours["groups"] != "unordered":
            trainer_steps.install()
        if self.ours["draw_multiple"]:
            trainer_base.create_rl_sampler = self.row_order  # asked once replay buffer and data are there

    def row_order(self, data_config: Any, dataset: Any) -> RowOrder:
        """What verl's `create_rl_sampler` makes: the order in which rows are drawn."""
        self.rows = len(dataset)
        return RowOrder(self.rows, data_config.seed, self.share, self.evidence)

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[Any, dict[str, Any]]:
        """What verl's method returns: a batch and metrics; what is left out of it stays in the queue."""
        if partition_id == "train":
            begin_step(global_steps)
        if partition_id != "train" or self.ours["groups"] == "unordered":
            return super().sample(global_steps, partition_id, batch_size)  # type: ignore[no-any-return]
        prompts = batch_size
        if self.ours["draw_multiple"]:
            prompts = self.share.prompts(batch_size, self.ours["draw_multiple"], self.rows)
            if prompts > batch_size:  # the first ones were submitted when the step began
                self.refill_fn(prompts - batch_size)
        skipped: list[tuple[Any, Division]] = []
        while True:
            batch, metrics = super().sample(global_steps, partition_id, prompts)
            division = self.divide(batch, global_steps)
            drawn = division.drawn + sum(before.drawn for _, before in skipped)
            if division.teaching or not self.ours["draw_again"]:
                break
            if drawn >= self.ours["give_up_after"]:
                raise RuntimeError(
                    f"trainkit: {drawn} groups in a row were all right or all wrong, "
                    "so there is nothing to learn from: choose an easier or a harder task"
                )
            skipped.append((batch, division))
            self.refill_fn(prompts)
        for before, nothing in skipped:  # left out, and counted in the metrics
            more = (*division.left_out, *nothing.trained, *nothing.left_out)
            division = replace(division, left_out=more, drawn=division.drawn + nothing.drawn)
            batch = KVBatchMeta(
                keys=[*batch.keys, *before.keys],
                tags=[*batch.tags, *before.tags],
                partition_id=partition_id,
            )
        return self.hand_out(batch, division), {**metrics, **_figures(division)}

    def divide(self, batch: Any, step: int) -> Division:
        """Mini-batches of whole groups, and what the run has seen of the rows."""
        trajectories = [
            Trajectory(
                key=key,
                group=key.split("_")[0],
                sample=int(key.split("_")[1]),
                row=tag["row"],
                reward=tag["reward"],
                tokens=tag["response_len"],
            )
            for key, tag in zip(batch.keys, batch.tags, strict=True)
        ]
        groups = in_order(trajectories, self.ours["seed"], step)
        for group in groups:
            self.evidence.note(group.trajectories[0].row, [one.reward for one in group.trajectories])
        division = divide(
            groups,
            self.ours["mini_batches"],
            leave_out=self.ours["groups"] == "teaching",
            whole=self.ours["whole"],
        )
        self.share.note(division.drawn, division.teaching)
        return division

    def hand_out(self, batch: Any, division: Division) -> Any:
        """The batch without what is left out, its rows in the order of the mini-batches."""
        tags = dict(zip(batch.keys, batch.tags, strict=True))
        keys = [one.key for one in division.trained]
        self.left_out_tags = [tags[one.key] for one in division.left_out]
        self.division = division if self.ours["divide_updates"] else None
        return KVBatchMeta(keys=keys, tags=[tags[key] for key in keys], partition_id=batch.partition_id)

    def _sync_metadata_from_transfer_queue(self) -> None:
        super()._sync_metadata_from_transfer_queue()
        failed = [uid for uids in self.failure_keys.values() for uid in uids]
        if failed:
            raise RuntimeError(f"trainkit: a rollout failed, so the run stops: {self.first_error()}")

    def first_error(self) -> str:
        """The last line of the traceback that the agent loop left, if it was the one that failed."""
        path = self.run / "rollout_error.txt"
        return path.read_text().strip().splitlines()[-1] if path.exists() else "see verl.log above"

    def _materialize_batch(self, partition_id: str, uids: list[str], snapshot: dict[str, Any]) -> Any:
        batch = super()._materialize_batch(partition_id, uids, snapshot)
        expected = len(uids) * self.samples[partition_id]
        if len(batch.keys) != expected:
            raise RuntimeError(f"trainkit: {len(batch.keys)} trajectories came back of {expected}")
        if partition_id in self.to_note:
            self.to_note.remove(partition_id)
            self._note_prompts(partition_id, batch.keys)
        return batch

    def _note_prompts(self, partition_id: str, keys: list[str]) -> None:
        """Write what verl will train on: row id and prompt ids of each trajectory."""
        fields = tq.kv_batch_get(
            keys=keys, partition_id=partition_id, select_fields=["prompts", "input_ids", "row_id"]
        )
        rows = zip(fields["prompts"], fields["input_ids"], list(fields["row_id"]), strict=True)
        with (self.run / "tokens_batch.jsonl").open("ab") as file:
            for prompts, inputs, row_id in rows:
                ids = prompts.tolist()
                same = inputs.tolist()[: len(ids)] == ids
                line = {"partition": partition_id, "id": row_id, "ids": ids, "inputs_agree": same}
                file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _figures(division: Division) -> dict[str, float]:
    """What a step drew and trained on, for verl's metrics."""
    return {
        "training/groups_drawn": division.drawn,
        "training/groups_teaching": division.teaching,
        "training/trajectories_trained": len(division.trained),
        "training/token_share_trained": division.token_share,
    }
