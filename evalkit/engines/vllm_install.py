"""The vLLM that is installed: its version, and how it is set up for scoring and training alike.

Imports nothing of vLLM, so that commands and trainkit can ask before it is loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prompts.errors import UserError
from prompts.install import install

GRAPH_SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Batches for which vLLM captures CUDA graphs. Its own list has 51 sizes and none beyond 512, so most steps
of a thousand requests in flight would run without a graph, kernel by kernel."""
CPU_ENV = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "THP_MEM_ALLOC_ENABLE": "1",
}
"""For vLLM and torch on a CPU: GiB of KV cache; no pinning of threads, which fails in containers; large
pages, since logits and activations are allocated in every step."""
NO_COMPILER_ENV = {"TORCHDYNAMO_DISABLE": "1"}
"""For vLLM on a CPU without a C++ compiler: its sampler compiles two functions (v1/sample/ops), and every
sampled request would end the engine."""
GPU_ENV = {"VLLM_USE_FLASHINFER_SAMPLER": "0"}
"""For vLLM on a GPU: FlashInfer's sampler would be compiled for minutes at the first start on a machine."""
KERNELS = ".triton/cache"
"""Triton's own default, below TRITON_HOME or the user's home. torch points a process that compiles elsewhere,
and one that finds its code compiled not (torch/_inductor/runtime/triton_heuristics.py): the second start on a
machine compiled vLLM's sampler again, 7 s of 46 on an H200, and only the third found it."""
SCHEDULER = "evalkit.engines.fast_decode.DecodeScheduler"
SCHEDULED_VERSION = "0.24."
"""The vLLM that our scheduler was written for; under any other it stays off."""
SCHEDULER_RAN = mmap.mmap(-1, 1)
"""A byte that vLLM's forked process shares with this one: 1 once our scheduler has scheduled a step."""
FAST_DECODE = "EVALKIT_FAST_DECODE"
"""Set to 0, this variable leaves vLLM its own scheduler, when scoring and when training."""
TESTED_VERSIONS = ("0.24.", "0.30.")
"""vLLM versions that the tests have run evalkit with."""


def installed_version() -> tuple[str, bool]:
    """The version of vLLM, and whether it is the CPU build. UserError where it is not installed."""
    for distribution in ("vllm", "vllm-cpu"):
        with contextlib.suppress(PackageNotFoundError):
            found = version(distribution)
            return found, distribution == "vllm-cpu" or "cpu" in found
    raise UserError(
        "vLLM is not installed; for CPUs run `make setup`, for NVIDIA GPUs "
        f"`{install('gpu')}` in a checkout, or use plain transformers with --engine hf"
    )


def engine_environment(cpu: bool) -> dict[str, str]:
    """The variables that vLLM starts with here, when scoring and when training."""
    if not cpu:
        own = os.path.join(os.environ.get("TRITON_HOME") or os.path.expanduser("~"), KERNELS)
        return {**GPU_ENV, "TRITON_CACHE_DIR": os.environ.get("TRITON_CACHE_DIR") or own}
    compilers = (os.environ.get("CXX", ""), "g++", "clang++", "c++")
    compiles = any(name and shutil.which(name) for name in compilers)
    return CPU_ENV if compiles else CPU_ENV | NO_COMPILER_ENV


def scheduler_for(installed: str, cpu: bool) -> str | None:
    """Our scheduler where vLLM is the version that it was written for; None: vLLM's own.

    Raises UserError where the off-switch (EVALKIT_FAST_DECODE) holds neither 0 nor 1.
    """
    switch = os.environ.get(FAST_DECODE, "1")
    if switch not in ("0", "1"):
        raise UserError(f"{FAST_DECODE}={switch}: 0 leaves vLLM its own scheduler, 1 is the default")
    return None if cpu or switch == "0" or not installed.startswith(SCHEDULED_VERSION) else SCHEDULER


def untested(installed: str) -> str | None:
    """A warning where evalkit was never run with this vLLM; None where it was."""
    if installed.startswith(TESTED_VERSIONS):
        return None
    tested = " and ".join(f"{start}*" for start in TESTED_VERSIONS)
    return f"vLLM {installed} is untested with evalkit; tested are {tested}"


def preload_openmp() -> None:
    """Let the CPU build use Intel's OpenMP where it is installed: faster than torch's own.

    Works only before torch is loaded, so commands call it first.
    """
    library = Path(sys.prefix) / "lib/libiomp5.so"
    with contextlib.suppress(UserError):
        if library.exists() and installed_version()[1] and "torch" not in sys.modules:
            os.environ.setdefault("KMP_AFFINITY", "none")  # else it may bind this process to one core
            ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
