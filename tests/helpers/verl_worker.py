"""verl's own worker in one process, without Ray and vLLM: updates with every group, or those that teach.

The model is the first layers of a real one, with the few tokens that are used. Two training steps of six
groups each, three of which teach; their shares of tokens are unlike, so that a wrong divisor shows. Old
log-probs and advantages are verl's.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

LAYERS = 2
SAMPLES = 4
PLAIN, TEACHING, KEPT_TOKENS = "every group", "those that teach", "divided by what is left"
OWN_LOG_PROBS = "those that teach, the first without old log-probs"
QUESTION = "7 + 5 ="
ANSWERS = (" 12", " twelve", " it is 12", " 7 + 5 = 12")
RIGHT = ((1, 0, 0, 1), (0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 1, 1), (0, 0, 0, 0), (0, 0, 1, 0))
"""Rewards of six groups, three of which teach."""
LONG = ((1, 3, 2, 2, 1, 1), (2, 1, 1, 1, 3, 2))
"""In two steps: how often the answers of a group repeat themselves."""


def environment() -> None:
    """What verl's worker reads of the process that Ray makes for it; before torch is imported."""
    from trainkit.launch.environment import environment as of_run

    folder = tempfile.mkdtemp()
    os.environ.update(of_run(Path(folder), "cpu", 0))
    os.environ |= {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    os.environ |= {"MASTER_PORT": "29543", "TRAINKIT_DEVICE": "cpu"}


def small(model: Path) -> tuple[Path, dict[str, list[int]]]:
    """The model's first layers with the few tokens that are used, and their ids of each text."""
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    folder = Path(tempfile.mkdtemp())
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.save_pretrained(folder)
    texts = {text: tokenizer.encode(text) for text in (QUESTION, *ANSWERS)}
    used = sorted({token for ids in texts.values() for token in ids})
    weights = {
        name: value
        for name, value in load_file(model / "model.safetensors").items()
        if not name.startswith("model.layers.") or int(name.split(".")[2]) < LAYERS
    }
    embeddings = "model.embed_tokens.weight"
    weights[embeddings] = weights[embeddings][used].clone()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((model / "config.json").read_text())
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    changed = {"num_hidden_layers": LAYERS, "vocab_size": len(used), **ends}
    (folder / "config.json").write_text(json.dumps(config | changed))
    return folder, {text: [used.index(token) for token in ids] for text, ids in texts.items()}


def configuration(model: Path, word: str, mini_batches: int) -> Any:
    """verl's configuration of a run with this algorithm, as trainkit makes it."""
    from hydra import compose, initialize_config_module

    from trainkit.launch.settings import Facts, build, to_arguments
    from trainkit.options import resolve
    from trainkit.plan.kernels import Kernels

    given = {"batch": 6, "samples": SAMPLES, "mini_batch": 6 // mini_batches, "task": "sums"}
    facts = Facts(
        run=model,
        model_folder=model,
        train=model / "train.parquet",
        validation=model / "validation.parquet",
        prompt_length=40,
        response_length=128,
        total_steps=2,
        gpus=1,
        kernels=Kernels(flash_attention=False, liger=False),
        scheduler=None,
        float32=True,
        token_budget=SAMPLES * 168,  # a micro-batch is a group
        gradient_checkpointing=False,
        model_bytes=10**9,
        resume_step=0,
        validate_first=False,
    )
    options = resolve(word, given, preset=None, config=None, has_gpu=False)
    arguments = [a for a in to_arguments(build(options, facts)) if not a.startswith("hydra.")]
    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose("ppo_trainer", overrides=arguments)


class Harness:
    """One worker, many updates from the same weights."""

    def __init__(self, model: Path, texts: dict[str, list[int]]) -> None:
        import torch
        from omegaconf import open_dict
        from verl.workers.engine_workers import ActorRolloutRefWorker

        torch.set_num_threads(1)  # more of them wait for each other on a busy machine
        self.model, self.texts = model, texts
        config = configuration(model, "grpo", 1)
        with open_dict(config):
            config.actor_rollout_ref.actor.optim.total_training_steps = 2
        self.worker = ActorRolloutRefWorker(config.actor_rollout_ref, role="actor")
        self.worker.init_model()
        from trainkit.plugins.steps import mini_batches

        mini_batches.install()
        self.engine = self.worker.actor.engine
        self.first = self.weights()

    def weights(self) -> dict[str, Any]:
        full = {name: value for name, value in self.engine.module.named_parameters()}
        return {name: value.to_local().detach().clone() for name, value in full.items()}

    def reset(self) -> None:
        """The first weights, and an optimizer that has seen nothing."""
        import torch
        from torch.distributed.fsdp import FSDPModule

        for module in self.engine.module.modules():
            if isinstance(module, FSDPModule):
                module.reshard()
        with torch.no_grad():
            for name, value in self.engine.module.named_parameters():
                value.to_local().copy_(self.first[name])
        self.engine.optimizer.state.clear()

    def trajectories(self, step: int) -> tuple[list[Any], dict[str, list[int]]]:
        from trainkit.draw.groups import Trajectory

        made, responses = [], {}
        for row, (rewards, times) in enumerate(zip(RIGHT, LONG[step], strict=True)):
            for sample, reward in enumerate(rewards):
                key = f"group{row}_{sample}_0"
                responses[key] = self.texts[ANSWERS[(row + sample) % 4]] * times
                made.append(Trajectory(key, f"group{row}", sample, row, float(reward), len(responses[key])))
        return made, responses

    def run(self, word: str, cuts: int, which: str) -> dict[str, Any]:
        """Two training steps; the norms of all gradients before clipping, and the weights afterwards."""
        import torch
        from verl.utils.config import omega_conf_to_dataclass
        from verl.workers.utils.losses import ppo_loss

        from trainkit.draw.groups import divide, in_order

        config = configuration(self.model, word, cuts)
        actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
        self.worker.set_loss_fn(partial(ppo_loss, config=actor))
        object.__setattr__(self.engine.optimizer_config, "clip_grad", 1e9)
        self.reset()
        started = time.perf_counter()
        norms: list[float] = []
        rows = 0
        for step in (0, 1):
            made, responses = self.trajectories(step)
            groups = in_order(made, 0, step)
            division = divide(groups, cuts, leave_out=which != PLAIN)
            data = self.batch(division.trained, responses, config)
            sizes = {
                "here": [len(part.trained) for part in division.mini_batches],
                "rows": [part.rows for part in division.mini_batches],
                "tokens": [part.tokens for part in division.mini_batches],
            }
            if which == OWN_LOG_PROBS:
                first = data["old_log_probs"].unbind()
                unknown = [torch.full_like(row, float("nan")) for row in first[: sizes["here"][0]]]
                rest = [*unknown, *first[sizes["here"][0] :]]
                data["old_log_probs"] = torch.nested.as_nested_tensor(rest, layout=torch.jagged)
            if which == KEPT_TOKENS:
                sizes |= {"rows": None, "tokens": None}
            norms += self.update(data, config, None if which == PLAIN else sizes)
            rows += len(division.trained)
        print(word, cuts, which, f"{time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)
        return {"norms": norms, "weights": self.weights(), "rows": rows}

    def batch(self, trained: Any, responses: dict[str, list[int]], config: Any) -> Any:
        """What verl's trainer would send: old log-probs of the weights as they are, verl's advantages."""
        import numpy
        import torch
        from tensordict import TensorDict
        from verl.protocol import DataProto
        from verl.trainer.ppo.v1.utils import compute_advantage_for_multi_trajectories
        from verl.utils import tensordict_utils as tu
        from verl.workers.utils.padding import response_from_nested, response_to_nested

        prompt = torch.tensor(self.texts[QUESTION])
        answers = [torch.tensor(responses[one.key]) for one in trained]

        def ragged(rows: list[torch.Tensor]) -> torch.Tensor:
            return torch.nested.as_nested_tensor(rows, layout=torch.jagged)

        scores = []
        for one, answer in zip(trained, answers, strict=True):
            scores.append(torch.zeros(len(answer)))
            scores[-1][-1] = one.reward
        whole = [torch.cat([prompt, answer]) for answer in answers]
        mask = ragged([torch.ones_like(answer) for answer in answers])
        fields = {
            "prompts": ragged([prompt] * len(answers)),
            "responses": ragged(answers),
            "input_ids": ragged(whole),
            "position_ids": ragged([torch.arange(len(row)) for row in whole]),
            "response_mask": mask,
            "loss_mask": mask,
        }
        data = TensorDict(fields, batch_size=[len(answers)])
        asked = data.clone()
        tu.assign_non_tensor(asked, calculate_entropy=False, compute_loss=False, temperature=1.0)
        output = self.worker.compute_log_prob(asked)
        data["old_log_probs"] = response_from_nested(output["log_probs"], mask)
        padded = TensorDict(
            {"rm_scores": ragged(scores), "response_mask": mask}, batch_size=[len(answers)]
        ).to_padded_tensor()
        scored = DataProto(batch=padded)
        scored.batch["token_level_rewards"] = scored.batch["rm_scores"]
        scored.non_tensor_batch["uid"] = numpy.array([one.group for one in trained], dtype=object)
        algorithm = config.algorithm
        advised = compute_advantage_for_multi_trajectories(
            scored,
            batch_keys=[one.key for one in trained],
            adv_estimator=algorithm.adv_estimator,
            num_repeat=SAMPLES,
            norm_adv_by_std_in_grpo=algorithm.norm_adv_by_std_in_grpo,
            config=algorithm,
        )
        data["advantages"] = response_to_nested(advised.batch["advantages"], mask)
        return data

    def update(self, data: Any, config: Any, sizes: dict[str, Any] | None) -> list[float]:
        """One training step as verl's `_update_actor` asks for it; the gradient norms of its updates."""
        from verl.utils import tensordict_utils as tu

        from trainkit.plugins.steps.mini_batches import KEY

        rows = config.actor_rollout_ref.actor.ppo_mini_batch_size * SAMPLES
        tu.assign_non_tensor(
            data,
            calculate_entropy=False,
            global_batch_size=rows,
            mini_batch_size=rows,
            epochs=1,
            seed=0,
            dataloader_kwargs={"shuffle": False},
            temperature=1.0,
        )
        if sizes is not None:
            tu.assign_non_tensor_data(data, KEY, sizes)
        metrics = tu.get(self.worker.update_actor(data), "metrics")
        assert len(metrics["lr"]) == 1, "the schedule of the learning rate moves on once a training step"
        return [float(norm) for norm in metrics["grad_norm"]]


def farthest(some: dict[str, Any], others: dict[str, Any]) -> float:
    """The largest difference of two sets of weights."""
    return max(float((some[name] - others[name]).abs().max()) for name in some)


def compare(harness: Harness) -> dict[str, Any]:
    """Every variant against every group; see the constants for what is varied."""
    found = {}
    more = {("grpo", 1): [KEPT_TOKENS], ("grpo", 3): [OWN_LOG_PROBS], ("gspo", 3): [OWN_LOG_PROBS]}
    for word in ("grpo", "dr-grpo", "gspo", "rloo"):
        for cuts in (1, 3):
            plain = harness.run(word, cuts, PLAIN)
            for which in (TEACHING, *more.get((word, cuts), [])):
                less = harness.run(word, cuts, which)
                found[f"{word}, {cuts}, {which}"] = {
                    "norms": [plain["norms"], less["norms"]],
                    "difference": farthest(plain["weights"], less["weights"]),
                    "moved": farthest(plain["weights"], harness.first),
                    "rows": [plain["rows"], less["rows"]],
                }
    return found
