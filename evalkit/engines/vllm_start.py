"""What of vLLM's start can be done early, or need not be done again: imports, a look at the class, a path.

Measured with 1.5B on an H100 (results/README.md, "Where a start goes"): imports and vLLM's look at the
model's class, for which it starts a Python of its own, take longer than loading the weights.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from evalkit.engines.base import EngineOptions
from evalkit.engines.child_process import can_bind
from evalkit.engines.swap import ARCHITECTURES, SAME
from evalkit.engines.vllm_install import engine_environment, installed_version
from evalkit.file_lock import FileLock
from evalkit.settings import cache_dir

OF_ENGINE = ("vllm.v1.engine.core", "vllm.v1.executor.uniproc_executor", "vllm.v1.worker.gpu_worker")
"""What vLLM's own process would import after it was forked."""
SLOTS = 64
"""Engines of one architecture on one machine that get a path of their own."""


def set_environment(options: EngineOptions, cpu: bool) -> None:
    """What vLLM reads from the environment, before it is imported."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = str(int(not cpu and can_bind()))
    os.environ["VLLM_CONFIGURE_LOGGING"] = "0"
    os.environ["VLLM_BATCH_INVARIANT"] = str(int(options.batch_invariant))
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    for name, value in engine_environment(cpu).items():
        os.environ.setdefault(name, value)


def import_early(options: EngineOptions) -> None:
    """Import vLLM, and what its own process needs, before anything is known of the model.

    What cannot be imported is left to the engine, whose error has a reader.
    """
    set_environment(options, installed_version()[1])
    with suppress(Exception):
        importlib.import_module("vllm.entrypoints.llm")
        for name in OF_ENGINE:
            importlib.import_module(name)
        _look_at(ARCHITECTURES)


def look_at_class(folder: Path) -> None:
    """Have vLLM know what the model's class can do, where it is one that is safe to import before a fork.

    vLLM would start a Python that imports all of vLLM for it (model_executor/models/registry.py,
    `_run_in_subprocess`), since some classes open CUDA when they are imported. Those of `ARCHITECTURES` do
    not (0.24, 0.30: tests/evalkit/engines/test_vllm_start.py).
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    _look_at(tuple(name for name in config.get("architectures") or () if name in ARCHITECTURES))


def _look_at(architectures: tuple[str, ...]) -> None:
    from vllm import ModelRegistry

    for name in architectures:
        known = ModelRegistry.models.get(name)
        if hasattr(known, "module_name"):  # not looked at yet
            ModelRegistry.register_model(name, known.load_model_cls())


class StablePath:
    """A path to a model's folder that all models of one architecture have, one after the other.

    vLLM's compile cache is keyed by the path of the model (`ModelConfig.compute_hash`), so every checkpoint
    would be compiled anew. `path` is a link in our cache, held until `free`; engines that run at the same
    time have different ones. Where no link can be made it is the folder itself.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._held: tuple[int, FileLock] | None = None
        with suppress(OSError):
            self._link(folder)

    def _link(self, folder: Path) -> None:
        places = cache_dir() / "vllm_models" / _architecture(folder)
        for slot in range(SLOTS):
            place = places / str(slot)
            place.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(place / "lock", os.O_CREAT | os.O_RDWR, 0o644)
            lock = FileLock(descriptor, place / "lock")
            if lock.acquire() is not None:
                os.close(descriptor)
                continue
            self._held = descriptor, lock
            fresh = place / f"model.{os.getpid()}"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(folder.resolve())
            os.replace(fresh, place / "model")
            self.path = place / "model"
            return

    def free(self) -> None:
        """Let the next engine have the path."""
        if self._held is not None:
            descriptor, lock = self._held
            lock.release()
            os.close(descriptor)
            self._held = None


def hashed_weights(folder: Path) -> dict[str, Any]:
    """Arguments by which vLLM loads config.json and the index's files where Mistral's own lie beside them.

    It would take those by itself (`consolidated*.safetensors`, params.json), and a run's identity and a
    prompt lock are of the others. Without an index every file is hashed, and nothing is asked.
    """
    if any(folder.glob("consolidated*.safetensors")) and (folder / "model.safetensors.index.json").exists():
        return {"config_format": "hf", "load_format": "safetensors"}
    return {}


def _architecture(folder: Path) -> str:
    """16 hex digits for all that config.json says but names and versions."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kept = {key: value for key, value in config.items() if key not in SAME}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]
