"""Which folders are raw verl checkpoints, and whether their save was finished.

verl 0.9.1 (trainer/ppo/v1/trainer_base.py, utils/checkpoint/fsdp_checkpoint_manager.py) writes into
`global_step_N`, in this order: `actor/` (shards of every rank, then `huggingface/` and
`fsdp_config.json`), `critic/`, `data.pt`; then `latest_checkpointed_iteration.txt` beside the folder;
then it calls the checkpoint callback, through which trainkit writes `manifest.json` into the folder.
So a manifest, or a tracker that has reached the step, says that the save was finished; and without
either (a copied folder) `data.pt` does. Every file must be whole on top of that.
"""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from evalkit.models.trusted_lock import trusted_lock
from prompts.errors import UserError
from prompts.files import read_json
from prompts.lock import Lock

TRACKER = "latest_checkpointed_iteration.txt"
LORA_META = "lora_train_meta.json"
"""Rank and alpha of an adapter, in `actor/`; there is none without an adapter."""
ROLLOUT_DTYPE = "actor_rollout_ref.rollout.dtype="
"""verl's setting of the number format in which vLLM held the weights in training."""
_STEP = re.compile(r"global_step_(\d+)")
_SHARD = re.compile(r"(model|optim|extra_state)_world_size_(\d+)_rank_(\d+)\.pt")


@dataclass(frozen=True)
class Checkpoint:
    """A finished `global_step_N` folder."""

    folder: Path

    @property
    def step(self) -> int:
        return int(self.folder.name.rsplit("_", 1)[1])

    @property
    def name(self) -> str:
        """As people call it: `demo:step_50`."""
        return f"{self.folder.resolve().parent.name}:step_{self.step}"

    @property
    def actor(self) -> Path:
        return self.folder / "actor"

    @property
    def huggingface(self) -> Path:
        """Configuration, tokenizer and chat template as verl saved them (no weights)."""
        return self.actor / "huggingface"

    @cached_property
    def world_size(self) -> int:
        return int(read_json(self.actor / "fsdp_config.json")["world_size"])

    def model_shards(self) -> list[Path]:
        """The files of the model's weights, by rank."""
        size = self.world_size
        return [self.actor / f"model_world_size_{size}_rank_{rank}.pt" for rank in range(size)]

    @cached_property
    def manifest(self) -> dict[str, Any] | None:
        """What trainkit wrote when the save was finished; None for somebody else's checkpoint."""
        path = self.folder / "manifest.json"
        return read_json(path) if path.exists() else None

    @property
    def dtype(self) -> str:
        """In what vLLM computed with these weights in training: float32 where the run says so, else bfloat16.

        verl 0.9.1 sends the weights of its float32 shards as they are, and vLLM keeps them in the rollout's
        number format (engine/fsdp/transformer_impl.py, get_per_tensor_param); an adapter is folded in and
        rounded to bfloat16 on the way (_merged_lora_per_tensor_param).
        """
        command = (self.manifest or {}).get("command")
        said = [part for part in command if isinstance(part, str)] if isinstance(command, list) else []
        given = [part.removeprefix(ROLLOUT_DTYPE) for part in said if part.startswith(ROLLOUT_DTYPE)]
        adapter = (self.actor / LORA_META).exists()
        return "float32" if given[-1:] == ["float32"] and not adapter else "bfloat16"

    @cached_property
    def lock(self) -> Lock | None:
        """The prompt lock of the checkpoint, or of the training run that it lies in; held against both."""
        return trusted_lock(self.folder, self.folder.resolve().parent)

    @cached_property
    def base_folder(self) -> Path | None:
        """The model that training started from, where its run says so and it is still there."""
        run = self.folder.resolve().parent
        job = run / "train.json"
        named = read_json(job).get("model_folder") if job.exists() else None
        if not isinstance(named, str):
            return None
        path = Path(os.path.normpath(run / named))  # written as seen from the run's folder
        return path if path.is_dir() else None


def is_checkpoint(path: Path) -> bool:
    """Whether a folder is a raw verl checkpoint, finished or not (its `actor` folder counts too)."""
    folder = _step_folder(path)
    return folder.is_dir() and bool(_STEP.fullmatch(folder.name))


def open_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at a path.

    Raises UserError where the path is none, or the save was interrupted (with what is missing).
    """
    folder = _step_folder(path)
    if not is_checkpoint(folder):
        raise UserError(f"{path} is no verl checkpoint; name a global_step_N folder, or one as demo:step_50")
    if missing := why_incomplete(folder):
        run = folder.parent
        others = [f"step_{n}" for n in list_steps(run) if not why_incomplete(run / f"global_step_{n}")]
        complete = f"; complete there: {', '.join(others)}" if others else ""
        raise UserError(f"{folder} is an interrupted save and is never scored: {missing}{complete}")
    return Checkpoint(folder)


def why_incomplete(folder: Path) -> str | None:
    """What shows that a save was interrupted, in a few words; None for a finished one."""
    actor = folder / "actor"
    if not (actor / "fsdp_config.json").exists():
        return f"actor/fsdp_config.json is missing{_other_backend(actor)}"
    try:
        world_size = int(read_json(actor / "fsdp_config.json")["world_size"])
    except (UserError, KeyError, TypeError, ValueError):
        return "actor/fsdp_config.json cannot be read"
    huggingface = actor / "huggingface"
    required = [huggingface / "config.json", huggingface / "tokenizer_config.json"]
    for path in (*required, *sorted(huggingface.glob("*.json"))):
        if not path.exists():
            return f"actor/huggingface/{path.name} is missing"
        try:
            orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError:
            return f"actor/huggingface/{path.name} is torn"
    for part in (actor, folder / "critic"):
        if (part.is_dir() or part is actor) and (problem := _torn(part, world_size)):
            return problem
    return _unfinished(folder)


def _unfinished(folder: Path) -> str | None:
    step = int(folder.name.rsplit("_", 1)[1])
    if (folder / "manifest.json").exists():
        return None
    if (folder.parent / "train.json").exists():
        return "manifest.json, which trainkit writes last, is missing"
    tracker = folder.parent / TRACKER
    latest = tracker.read_text().strip() if tracker.exists() else ""
    if latest.isdigit() and step > int(latest):
        return f"{TRACKER} says {latest}, so the save of step {step} did not end"
    data = folder / "data.pt"
    if not latest.isdigit() and not _whole(data):
        return f"data.pt, which verl writes last, is {'torn' if data.exists() else 'missing'}"
    if data.exists() and not _whole(data):
        return "data.pt is torn"
    return None


def _torn(part: Path, world_size: int) -> str | None:
    """A file of a rank that is missing or cut off."""
    found: dict[str, set[int]] = {"model": set()}
    for path in sorted(part.glob("*.pt")):
        shard = _SHARD.fullmatch(path.name)
        if shard is None or int(shard[2]) != world_size:
            continue
        if not _whole(path):
            return f"{part.name}/{path.name} is torn"
        found.setdefault(shard[1], set()).add(int(shard[3]))
    for kind, ranks in found.items():
        if absent := sorted(set(range(world_size)) - ranks):
            return f"{part.name}/{kind}_world_size_{world_size}_rank_{absent[0]}.pt is missing"
    return None


def _whole(path: Path) -> bool:
    """Whether a file of torch.save was written to its end (a zip archive; its directory comes last)."""
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(archive.infolist())
    except (OSError, zipfile.BadZipFile):
        return False


def _other_backend(actor: Path) -> str:
    if (actor / "model").is_dir() or any(actor.glob("dist_ckpt")):
        return " (a Megatron checkpoint; only FSDP and FSDP2 ones are read)"
    return ""


def _step_folder(path: Path) -> Path:
    return path.parent if path.name == "actor" else path


def list_steps(folder: Path) -> list[int]:
    """Steps of the `global_step_N` folders in a folder, ascending, finished or not."""
    return sorted(int(m[1]) for path in folder.glob("global_step_*") if (m := _STEP.fullmatch(path.name)))


def last_complete_step(run_folder: Path) -> int | None:
    """The newest step of a training run whose save was finished; resuming starts there. None if none."""
    for step in reversed(list_steps(run_folder)):
        if why_incomplete(run_folder / f"global_step_{step}") is None:
            return step
    return None
