"""What `--model` means: a name, a Hugging Face id, a folder or a checkpoint, made a folder to load."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.models import smollm2
from evalkit.models.checkpoint import is_checkpoint, list_steps, open_checkpoint, prepare_checkpoint
from evalkit.models.safetensors import weights_sha256
from evalkit.models.trusted_lock import checkpoint_manifest, rendered_lock, trusted_lock
from evalkit.settings import settings
from prompts.errors import UserError
from prompts.files import read_json
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
            f"{name} brings code of its own ({_code_of(config['auto_map'])}) that would run here; "
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
        max_length=_positions(folder, config),
        marks=tuple(dict.fromkeys((*marks, *(map(str, lock.data.get("marks", ())) if lock else ())))),
    )


def _code_of(auto_map: Any) -> str:
    """What a configuration's `auto_map` names, whatever form it has."""
    values = list(auto_map.values()) if isinstance(auto_map, dict) else auto_map
    return str(values[0] if isinstance(values, list) and values else values)


def _positions(folder: Path, config: dict[str, Any]) -> int | None:
    text = config.get("text_config")
    found = (text if isinstance(text, dict) else config).get("max_position_embeddings")
    if found is not None and (type(found) is not int or found < 1):
        raise UserError(
            f"{folder}/config.json: max_position_embeddings is {found!r}, not a whole number above 0"
        )
    return found


def _training_marks(folder: Path) -> tuple[str, ...]:
    """The marks in the manifest that trainkit leaves in a checkpoint; none where there is no such file."""
    marks = checkpoint_manifest(folder).get("marks") or ()
    if not isinstance(marks, list | tuple):
        raise UserError(f"{folder}/manifest.json is no manifest of a checkpoint: its marks are {marks!r}")
    return tuple(map(str, marks))


def model_lock(name: str, folder: Path) -> Lock | None:
    """The prompt lock of a model whose files lie in `folder`, held against its witnesses.

    Raises Mismatch where manifest, training run or data name another one, or one that is gone.
    """
    path = checkpoint_path(name) or Path(name).expanduser()
    if path.is_dir() and is_checkpoint(path) and not (path / "config.json").exists():
        return rendered_lock(path, open_checkpoint(path).lock)
    return rendered_lock(folder, trusted_lock(folder, None))


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
    run = training_run(step["run"])
    path = run / f"global_step_{int(step['step'])}"
    if not path.is_dir():
        steps = ", ".join(f"step_{number}" for number in list_steps(run))
        raise UserError(f"no checkpoint {name}: {run} holds {steps or 'none yet'}")
    return path


def training_run(name: str) -> Path:
    """The folder of a training run by path or by its name below the runs folder; UserError for none."""
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
    adapter = folder / "adapter_config.json"
    if adapter.is_file() and not path.exists():
        base = str(read_json(adapter).get("base_model_name_or_path"))
        raise UserError(
            f"{folder} holds a LoRA adapter for {base}, not a model; merge it first, with peft's "
            "AutoPeftModelForCausalLM.from_pretrained(…).merge_and_unload().save_pretrained(…), put the "
            f"tokenizer files beside it, and score that folder: --model {folder}-merged"
        )
    if not path.exists():
        raise UserError(
            f"{folder} is no model folder: config.json is missing; a folder that "
            "`save_pretrained` wrote, or a global_step_N of a training run, is needed"
        )
    return read_json(path)


def _shards(folder: Path) -> list[Path]:
    """The safetensors files of a folder; UserError where one that the index names is missing."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        weights = read_json(index).get("weight_map")
        named = (
            set(weights.values())
            if isinstance(weights, dict) and all(map(_is_name, weights.values()))
            else ()
        )
        if not (names := sorted(named)):
            raise UserError(f"{index} names no weight files; copy or download the folder again")
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise UserError(
                f"{folder} misses {len(missing)} of {len(names)} weight files ({missing[0]} …); "
                "copy or download the folder again"
            )
        if (folder / "model.safetensors").exists() and "model.safetensors" not in names:
            raise UserError(
                f"{folder} holds model.safetensors and an index of other weight files ({names[0]} …), and "
                "engines differ in which they load; remove model.safetensors, or the index and its files"
            )
        return [folder / name for name in names]
    if found := sorted(folder.glob("*.safetensors")):
        if odd := [path for path in found if not path.is_file()]:
            raise UserError(f"{odd[0]} is no plain file; copy or download the folder again")
        return found
    pickled = any((*folder.glob("*.bin"), *folder.glob("*.pt")))
    why = "only pickled ones, which can run code when loaded" if pickled else "no file *.safetensors"
    raise UserError(f"{folder} holds no weights ({why}); save the model with safetensors: `save_pretrained`")


def _is_name(value: Any) -> bool:
    """Whether a value of an index is the name of a file in the same folder."""
    return (
        isinstance(value, str)
        and 0 < len(value.encode("utf-8", "replace")) < 256
        and not set(value) & set("/\0")
    )
