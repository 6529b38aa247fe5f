"""verl's command and the environment of its processes, with our plug-ins announced to them."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evalkit.engines.vllm_install import engine_environment
from prompts.errors import UserError
from prompts.files import write_whole
from trainkit.launch.leftover import METRICS_VARIABLE
from trainkit.plugins.switch import (
    CAPTURE_VARIABLE,
    DEVICE_VARIABLE,
    RUN_VARIABLE,
    TOKENS_FILE,
    TOKENS_FILES,
)

VLLM_PLUGINS = {
    "trainkit_cpu": "trainkit.plugins.cpu_vllm:plugin",
    "trainkit_tokens": "trainkit.plugins.token_capture:plugin",
}


def verl_command(arguments: list[str]) -> list[str]:
    """The command that trains: verl's own entry point with our settings."""
    return [sys.executable, "-m", "verl.trainer.main_ppo", *arguments]


def environment(run: Path, device: str, capture: int) -> dict[str, str]:
    """The environment of verl's processes; a Ray that verl starts hands it to every worker.

    `capture` is the number of requests whose prompt ids vLLM's engine notes (trainkit.plugins.token_capture).
    """
    inherited = {k: v for k, v in os.environ.items() if device != "cpu" or k != "CUDA_VISIBLE_DEVICES"}
    return {**inherited, **added_environment(run, device, capture)}


def added_environment(run: Path, device: str, capture: int, nodes: int = 1) -> dict[str, str]:
    """What of `environment` trainkit sets: all that workers of a running cluster must be given, too."""
    ours = Path(__file__).parent.parent.parent
    plugins = announce_plugins(run)
    path = [str(plugins), str(ours), *filter(None, [os.environ.get("PYTHONPATH")])]
    added = {
        "PYTHONPATH": os.pathsep.join(path),
        METRICS_VARIABLE: str(run / "verl_metrics.jsonl"),
        CAPTURE_VARIABLE: f"{capture}:{run / (TOKENS_FILE if nodes == 1 else TOKENS_FILES)}",
        DEVICE_VARIABLE: device,
        RUN_VARIABLE: str(os.getpid()),
        "VERL_USE_EXTERNAL_MODULES": "trainkit.plugins.own_socket",
        "TOKENIZERS_PARALLELISM": "false",
        "HYDRA_FULL_ERROR": "1",
        "RAY_DEDUP_LOGS": "0",
        # The cluster is local, and nothing about it goes elsewhere.
        "RAY_USAGE_STATS_ENABLED": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "TENSORBOARD_DIR": str(run / "tensorboard"),
    }
    if device == "cpu":
        threads = str(os.cpu_count() or 1)
        added |= {
            "VERL_USE_EXTERNAL_MODULES": "trainkit.plugins.cpu_platform,trainkit.plugins.own_socket",
            "OMP_NUM_THREADS": threads,
            **engine_environment(cpu=True),
            # Ray's default of 15 makes workers lose to anything else on the machine.
            "RAY_worker_niceness": "0",
        }
        openmp = Path(sys.prefix) / "lib/libiomp5.so"
        if openmp.exists():
            added["LD_PRELOAD"] = str(openmp)  # vLLM's kernels are 40 % faster with Intel's OpenMP
            # Without this it binds whatever forks to one core: Ray, and so all of its workers.
            added["KMP_AFFINITY"] = "none"
    else:
        added |= {**engine_environment(cpu=False), **compile_cache()}
        if nodes > 1:
            del added["TRITON_CACHE_DIR"]  # homes may differ
    return added


def compile_cache() -> dict[str, str]:
    """Have vLLM keep what it compiled, which verl 0.9.1 switches off at every start.

    It does so (trainer/constants_ppo.py:93) for a fault of torch before 2.10, which wrote corrupt files
    (vllm issue 31199). A variable that the user has set stands: VLLM_DISABLE_COMPILE_CACHE=1 switches the
    cache off again.
    """
    try:
        major, minor = map(int, version("torch").split(".")[:2])
    except (PackageNotFoundError, ValueError):
        return {}
    sound = (major, minor) >= (2, 10) and "VLLM_DISABLE_COMPILE_CACHE" not in os.environ
    return {"VLLM_DISABLE_COMPILE_CACHE": "0"} if sound else {}


def announce_plugins(run: Path) -> Path:
    """A folder for PYTHONPATH that announces our vLLM plug-ins to the processes of this run alone.

    Raises UserError where it cannot be written.
    """
    folder = run / "plugins"
    info = folder / "trainkit_plugins-0.dist-info"
    try:
        info.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{info} cannot be made: {error.strerror}") from None
    write_whole(info / "METADATA", b"Metadata-Version: 2.1\nName: trainkit-plugins\nVersion: 0\n")
    lines = ["[vllm.general_plugins]", *(f"{name} = {target}" for name, target in VLLM_PLUGINS.items())]
    write_whole(info / "entry_points.txt", ("\n".join(lines) + "\n").encode())
    return folder
