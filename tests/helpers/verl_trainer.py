"""The steps of verl's trainer around one batch, with a real TransferQueue and verl's worker, without vLLM.

    python tests/helpers/verl_trainer.py MODEL_FOLDER        (prints one JSON object, about a minute)

The same answers go through verl's own steps with every group, and through ours with those that teach: shared
among GPUs (here one), old log-probs, advantages, update, metrics. The model is that of verl_worker.py, whose
comparison of updates follows in the same process.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

from verl_worker import QUESTION, Harness, compare, environment, farthest, small


class WorkerGroup:
    """What the trainer takes for the group of its workers: one worker, in this process."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self._dispatch_info = {"actor": [0]}

    def compute_log_prob(self, batch: Any) -> Any:
        from verl.utils.transferqueue_utils import _update_meta_with_output, kv_batch_meta2batch_meta

        meta = kv_batch_meta2batch_meta(batch)
        _update_meta_with_output(self.worker.compute_log_prob(self._data(batch)), meta)
        return batch

    def update_actor(self, batch: Any) -> Any:
        from verl.utils import tensordict_utils as tu

        output = self.worker.update_actor(self._data(batch))
        return {"metrics": tu.get(output, "metrics")}

    @staticmethod
    def _data(batch: Any) -> Any:
        from verl.utils.transferqueue_utils import _meta_to_realdata, kv_batch_meta2batch_meta

        return _meta_to_realdata(kv_batch_meta2batch_meta(batch))


def trainer(harness: Harness, word: str, cuts: int) -> Any:
    """verl's trainer with what these steps read of it, as on a GPU: no log-probs from vLLM."""
    from functools import partial

    from omegaconf import open_dict
    from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
    from verl.utils.config import omega_conf_to_dataclass
    from verl.workers.utils.losses import ppo_loss
    from verl_worker import configuration

    config = configuration(harness.model, word, cuts)
    with open_dict(config):
        config.algorithm.rollout_correction.bypass_mode = False
        config.actor_rollout_ref.rollout.calculate_log_probs = False
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    harness.worker.set_loss_fn(partial(ppo_loss, config=actor))
    made = object.__new__(PPOTrainerSync)
    made.config, made.global_steps, made.use_critic = config, 1, False
    made.actor_rollout_wg = WorkerGroup(harness.worker)
    made.tokenizer = types.SimpleNamespace(eos_token_id=0)
    made.resource_pool_manager = types.SimpleNamespace(get_n_gpus=lambda: 1)
    made._rollout_moe_lb_metrics_accumulator = None
    made.replay_buffer = types.SimpleNamespace(division=None, sizes=[], left_out_tags=[])
    return made


def put(harness: Harness) -> tuple[list[Any], dict[str, dict[str, Any]]]:
    """Answers of the first step as our agent loop hands them over; returns trajectories and tags."""
    import torch
    import transfer_queue as tq
    from verl.utils.tensordict_utils import list_of_dict_to_tensordict

    from trainkit.plugins.agent_loop import tensors

    made, responses = harness.trajectories(0)
    fields, tags = [], {}
    prompt = harness.texts[QUESTION]
    for one in made:
        answer = responses[one.key]
        more = {"uid": one.group, "num_turns": 2, "row_id": str(one.row)}
        fields.append({**tensors(prompt, answer, one.reward), **more})
        lengths = {"prompt_len": len(prompt), "response_len": len(answer)}
        steps = {"global_steps": 1, "min_global_steps": 0, "max_global_steps": 0}
        tags[one.key] = {**lengths, "seq_len": len(prompt) + len(answer), **steps}
    for field in fields:
        assert isinstance(field["prompts"], torch.Tensor)
    for one, field in zip(made, fields, strict=True):
        tq.kv_batch_put(
            keys=[one.key],
            fields=list_of_dict_to_tensordict([field]),
            tags=[tags[one.key]],
            partition_id="train",
        )
    return made, tags


def run(harness: Harness, word: str, cuts: int, leave_out: bool) -> dict[str, Any]:
    """One training step; its metrics and the weights afterwards."""
    import transfer_queue as tq
    from transfer_queue import KVBatchMeta

    from trainkit.draw.groups import divide, in_order

    harness.reset()
    made, tags = put(harness)
    division = divide(in_order(made, 0, 1), cuts, leave_out=leave_out)
    step = trainer(harness, word, cuts)
    if leave_out:
        step.replay_buffer.division = division
        step.replay_buffer.left_out_tags = [tags[one.key] for one in division.left_out]
    keys = [one.key for one in division.trained]
    batch = KVBatchMeta(keys=keys, tags=[tags[key] for key in keys], partition_id="train")
    metrics: dict[str, Any] = {}
    batch.extra_info["temperature"] = 1.0
    batch = step._balance_batch(batch, metrics=metrics)
    batch = step._compute_old_log_prob(batch, metrics=metrics)
    batch = step._compute_advantage(batch, metrics=metrics)
    batch = step._update_actor(batch, metrics=metrics)
    timing = dict.fromkeys(("gen", "old_log_prob", "adv", "update_actor", "step"), 1.0)
    step._compute_metrics(batch, metrics, timing, global_steps=1, epoch=0)
    tq.kv_clear(keys=batch.keys, partition_id="train")
    left = tq.kv_list()
    return {
        "metrics": {name: float(value) for name, value in metrics.items()},
        "weights": harness.weights(),
        "trained": len(division.trained),
        "left_in_queue": sum(len(keys) for keys in (left or {}).values()),
    }


def shared(harness: Harness, gpus: int) -> dict[str, Any]:
    """How a step is shared among GPUs, and which rows are left without old log-probs."""
    import transfer_queue as tq
    from transfer_queue import KVBatchMeta

    from trainkit.draw.groups import divide, in_order

    harness.reset()
    made, tags = put(harness)
    division = divide(in_order(made, 0, 1), 2, leave_out=True)
    step = trainer(harness, "grpo", 2)
    step.actor_rollout_wg._dispatch_info = {"actor": list(range(gpus))}
    step.replay_buffer.division = division
    step.replay_buffer.left_out_tags = [tags[one.key] for one in division.left_out]
    keys = [one.key for one in division.trained]
    batch = KVBatchMeta(keys=keys, tags=[tags[key] for key in keys], partition_id="train")
    metrics: dict[str, Any] = {}
    batch = step._balance_batch(batch, metrics=metrics)
    batch = step._compute_old_log_prob(batch, metrics=metrics)
    old = tq.kv_batch_get(keys=batch.keys, partition_id="train", select_fields=["old_log_probs"])
    rows = old["old_log_probs"].unbind()
    size = len(batch) // gpus
    tq.kv_clear(keys=[*batch.keys, *(one.key for one in division.left_out)], partition_id="train")
    return {
        "sizes": step.replay_buffer.sizes,
        "ranks": [batch.keys[rank * size : (rank + 1) * size] for rank in range(gpus)],
        "tokens": [
            sum(tag["seq_len"] for tag in batch.tags[rank * size : (rank + 1) * size]) for rank in range(gpus)
        ],
        "mini_batches": [[one.key for one in part.trained] for part in division.mini_batches],
        "padding": [key for key, tag in zip(batch.keys, batch.tags, strict=True) if tag.get("is_padding")],
        "unknown": [key for key, row in zip(batch.keys, rows, strict=True) if row.isnan().all()],
        "known": [key for key, row in zip(batch.keys, rows, strict=True) if not row.isnan().any()],
        "entropy": float(metrics["actor/entropy"]),
    }


def main(model: Path) -> dict[str, Any]:
    import ray
    import transfer_queue as tq

    memory = 200_000_000
    ray.init("local", num_cpus=4, include_dashboard=False, object_store_memory=memory, log_to_driver=False)
    tq.init()
    harness = Harness(*small(model))
    from trainkit.plugins.steps import trainer_steps

    verls = [getattr(trainer_steps.PPOTrainer, name) for name in trainer_steps.STEPS]
    found = {}
    for word, cuts in (("grpo", 2), ("gspo", 2), ("grpo", 1)):
        every = run(harness, word, cuts, leave_out=False)
        trainer_steps.install()
        less = run(harness, word, cuts, leave_out=True)
        for name, own in zip(trainer_steps.STEPS, verls, strict=True):
            setattr(trainer_steps.PPOTrainer, name, own)
        found[f"{word}, {cuts}"] = {
            "difference": farthest(every["weights"], less["weights"]),
            "metrics": [every["metrics"], less["metrics"]],
            "trained": [every["trained"], less["trained"]],
            "left_in_queue": [every["left_in_queue"], less["left_in_queue"]],
        }
    trainer_steps.install()
    among = {gpus: shared(harness, gpus) for gpus in (1, 2, 3)}
    ray.shutdown()
    return {"worker": compare(harness), "trainer": found, "shared": among}


if __name__ == "__main__":
    environment()
    print("FOUND" + json.dumps(main(Path(sys.argv[1]))))
