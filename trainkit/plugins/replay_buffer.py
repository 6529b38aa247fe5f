"""The part of verl's trainer that collects finished rollouts: quick, and strict about losses.

verl's own replay buffer looks every 2 s, and trains on what is left of a failed group. This one looks
as often as it is told, stops the run at the first failed rollout, counts trajectories, and notes the
prompt ids of the first batches for `trainkit.verify.tokens`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import transfer_queue as tq  # type: ignore[import-untyped]
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

from trainkit.plugins.versions import require


class StrictReplayBuffer(ReplayBuffer):  # type: ignore[misc]
    """verl's replay buffer; `sampler_kwargs` holds what trainkit adds (see trainkit/launch/settings.py)."""

    def __init__(self, **kwargs: Any) -> None:
        require("replay_buffer")
        ours = dict(kwargs["sampler_kwargs"])
        self.run = Path(ours["run"])
        self.samples: dict[str, int] = {"train": ours["samples"], "val": 1}
        self.to_note = set(self.samples) if ours["note_prompts"] else set()
        self.give_up_after: int = ours["give_up_after"]
        self.evicted = 0
        filtering = {}
        if ours["filter_groups"]:
            # verl hands DAPO's group filter to its own buffer only.
            filtering = {
                "filter_groups_metric": "reward",
                "train_batch_size": ours["batch"],
                "gen_batch_size": 1,
            }
        super().__init__(**kwargs, poll_interval=ours["poll_seconds"], **filtering)

    def _sync_metadata_from_transfer_queue(self) -> None:
        super()._sync_metadata_from_transfer_queue()
        failed = [uid for uids in self.failure_keys.values() for uid in uids]
        if failed:
            raise RuntimeError(f"trainkit: a rollout failed, so the run stops: {self.first_error()}")

    def first_error(self) -> str:
        """The last line of the traceback that the agent loop left, if it was the one that failed."""
        path = self.run / "rollout_error.txt"
        return path.read_text().strip().splitlines()[-1] if path.exists() else "see verl.log above"

    def _evict_terminal_groups(self, *args: Any, **kwargs: Any) -> tuple[set[str], int, int, dict[str, Any]]:
        """Count the groups without advantage that DAPO throws away, and stop where nothing else comes."""
        evicted, stale, constant, metrics = super()._evict_terminal_groups(*args, **kwargs)
        self.evicted += constant
        if self.evicted > self.give_up_after:
            raise RuntimeError(
                f"trainkit: {self.evicted} groups in a row were all right or all wrong, "
                "so there is nothing to learn from: choose an easier or a harder task"
            )
        return evicted, stale, constant, metrics

    def _materialize_batch(self, partition_id: str, uids: list[str], snapshot: dict[str, Any]) -> Any:
        batch = super()._materialize_batch(partition_id, uids, snapshot)
        self.evicted = 0
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
