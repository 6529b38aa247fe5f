"""What `--model` means: a name, a Hugging Face id, a folder or a checkpoint, made a folder to load."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.models import smollm2
from evalkit.models.checkpoint import is_checkpoint, list_steps, open_checkpoint, prepare_checkpoint
from evalkit.models.safetensors import weights_sha256
from evalkit.models.trusted_lock import trusted_lock
from evalkit.settings import settings
from prompts.errors import UserError
from prompts.lock import Lock

_STEP = re.compile(r"(?P<run>[^:]+):(?:global_)?step_(?P<step>\d+)")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that can be loaded from `folder`.

    `name` is what the user typed, `revision` the commit where it came from a hub, `weights_sha256`
    the fingerprint of its tensors, `lock` the prompt lock that lies in the folder.
    """

    name: str
    folder: Path
    revision: str | None
    weights_sha256: str
    lock: Lock | None
    max_length: int | None
    """Positions the model was made for (prompt and completion together); None where it does not say."""
    marks: tuple[str, ...] = ()
    """What the training run adds to every number of this checkpoint, as "validate on test"."""


@dataclass(frozen=True)
class ModelFiles:
    """A model folder of which nothing was hashed or loaded; its weights need not be there."""

    name: str
    folder: Path
    max_length: int | None


def find_model_files(name: str, *, trust_remote_code: bool = False, weights: bool = True) -> ModelFiles:
    """Find a model's folder and read its config; without `weights` nothing large is fetched from the hub.

    Raises UserError where it does not exist or has no config.json.
    """
    if not weights and _is_hub_id(name) and not Path(name).expanduser().is_dir():
        folder, _ = _from_hub(name, weights=False)
    else:
        folder, _ = model_folder(name, trust_remote_code=trust_remote_code)
    config = _read_config(folder)
    return ModelFiles(name, folder, config.get("text_config", config).get("max_position_embeddings"))


def _is_hub_id(name: str) -> bool:
    return bool(_HUB_ID.fullmatch(name)) and not name.startswith((".", "/", "~"))


def resolve_model(name: str, *, trust_remote_code: bool = False) -> Model:
    """Find a model by name, fetch or make its folder where needed, check that it is whole.

    Raises UserError where it does not exist, misses files, or wants to run code of its own and
    `trust_remote_code` is off.
    """
    folder, revision = model_folder(name, trust_remote_code=trust_remote_code)
    config = _read_config(folder)
    if "auto_map" in config and not trust_remote_code:
        raise UserError(
            f"{name} brings code of its own ({next(iter(config['auto_map'].values()))}) that would run here; "
            "read it, then allow it with --trust-remote-code"
        )
    shards = _shards(folder)
    lock = model_lock(name, folder)
    marks = _training_marks(checkpoint_path(name) or Path(name).expanduser())
    return Model(
        name=name,
        folder=folder,
        revision=revision,
        weights_sha256=weights_sha256(shards),
        lock=lock,
        max_length=config.get("text_config", config).get("max_position_embeddings"),
        marks=tuple(dict.fromkeys((*marks, *(map(str, lock.data.get("marks", ())) if lock else ())))),
    )


def _training_marks(folder: Path) -> tuple[str, ...]:
    """The marks in the manifest that trainkit leaves in a checkpoint; none where there is no such file."""
    path = folder / "manifest.json"
    if not path.is_file():
        return ()
    try:
        return tuple(map(str, json.loads(path.read_text(encoding="utf-8")).get("marks", ())))
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path} is no manifest of a checkpoint: {error}") from None


def model_lock(name: str, folder: Path) -> Lock | None:
    """The prompt lock of a model whose files lie in `folder`, held against its witnesses.

    Raises Mismatch where manifest, training run or data name another one, or one that is gone.
    """
    path = checkpoint_path(name) or Path(name).expanduser()
    if path.is_dir() and is_checkpoint(path) and not (path / "config.json").exists():
        return open_checkpoint(path).lock
    return trusted_lock(folder, None)


def model_folder(name: str, *, trust_remote_code: bool = False) -> tuple[Path, str | None]:
    """The Hugging Face folder of a model and, for one from the hub, its commit.

    Enough for commands that need the tokenizer only; nothing is checked or hashed yet.
    """
    path = checkpoint_path(name) or Path(name).expanduser()
    if path.is_dir():
        if (path / "config.json").exists() or not is_checkpoint(path):
            return path, None
        return prepare_checkpoint(path, trust_remote_code=trust_remote_code), None
    if name == smollm2.NAME:
        return smollm2.smollm2_folder(), None
    if _is_hub_id(name):
        return _from_hub(name)
    raise UserError(
        f"no model {name}: it is no folder here; allowed are a folder, run:step_50, "
        f"a Hugging Face id such as Qwen/Qwen2.5-0.5B-Instruct@main, and {smollm2.NAME}"
    )


def checkpoint_path(name: str) -> Path | None:
    """The folder that `run:step_50` names, None for other names; UserError where there is none."""
    step = _STEP.fullmatch(name)
    if step is None:
        return None
    run = _training_run(step["run"])
    path = run / f"global_step_{int(step['step'])}"
    if not path.is_dir():
        steps = ", ".join(f"step_{number}" for number in list_steps(run))
        raise UserError(f"no checkpoint {name}: {run} holds {steps or 'none yet'}")
    return path


def _training_run(name: str) -> Path:
    """The folder of a training run by path or by its name below the runs folder."""
    for folder in (Path(name), settings().runs / name):
        if folder.is_dir():
            return folder
    known = sorted(p.name for p in settings().runs.glob("*") if p.is_dir())
    raise UserError(f"no training run {name} in {settings().runs}; there: {', '.join(known) or 'none'}")


def _from_hub(name: str, weights: bool = True) -> tuple[Path, str | None]:
    """Download a snapshot (or find it in the cache), without pickled weights."""
    import logging

    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    repo, _, revision = name.partition("@")
    patterns = ["*.json", "*.jinja", "*.py", "*.txt", "*.model", *(["*.safetensors"] if weights else [])]
    try:
        folder = Path(snapshot_download(repo, revision=revision or None, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{name} is no folder here and cannot be had from the hub ({reason}); check the name, "
            "`hf auth login` for a gated model, HF_ENDPOINT for a mirror, or give a local folder"
        ) from None
    return folder, folder.name


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.exists():
        raise UserError(
            f"{folder} is no model folder: config.json is missing; a folder that "
            "`save_pretrained` wrote, or a global_step_N of a training run, is needed"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise UserError(f"{path} holds {type(config).__name__}, not an object")
    return config


def _shards(folder: Path) -> list[Path]:
    """The safetensors files of a folder; UserError where one that the index names is missing."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UserError(f"{index} names no weight files; copy or download the folder again") from None
        if missing := [name for name in names if not (folder / name).exists()]:
            raise UserError(
                f"{folder} misses {len(missing)} of {len(names)} weight files ({missing[0]} …); "
                "copy or download the folder again"
            )
        return [folder / name for name in names]
    if found := sorted(folder.glob("*.safetensors")):
        return found
    pickled = any((*folder.glob("*.bin"), *folder.glob("*.pt")))
    why = "only pickled ones, which can run code when loaded" if pickled else "no file *.safetensors"
    raise UserError(f"{folder} holds no weights ({why}); save the model with safetensors: `save_pretrained`")
