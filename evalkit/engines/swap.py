"""Other weights in a running engine: which models may be swapped, and the proof that the new ones are there.

vLLM's own `reload_weights` leaves stale weights behind in some layers without a word (vllm #32718, #48284,
tracker #48312), so only what the tests have held against fresh engines is swapped, every tensor is compared
with its file afterwards, and whatever cannot be proven gets a fresh start. EVALKIT_SWAP=0 switches it off.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.engines.vllm_install import TESTED_VERSIONS
from evalkit.models.safetensors import read_header
from prompts.errors import UserError

SWAP = "EVALKIT_SWAP"
"""Set to 0, this variable gives every checkpoint a fresh start."""
ARCHITECTURES = ("LlamaForCausalLM", "Qwen2ForCausalLM")
"""Model classes whose swapped ids were held against fresh engines (tests/evalkit/engines/test_swap.py)."""
SAME = {"_name_or_path", "transformers_version"}
"""Keys of config.json that may differ."""
EXTENSION = "evalkit.engines.swap.SwapWeights"


def may_swap(folder: Path, version: str, tp: int) -> str | None:
    """Why a model must have a fresh start for every change of its weights; None where it may be swapped.

    Raises UserError where the off-switch holds neither 0 nor 1.
    """
    switch = os.environ.get(SWAP, "1")
    if switch not in ("0", "1"):
        raise UserError(f"{SWAP}={switch}: 0 starts an engine for each checkpoint, 1 is the default")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    architectures = tuple(config.get("architectures") or ())
    if switch == "0":
        return f"{SWAP}=0"
    if not version.startswith(TESTED_VERSIONS):
        return f"swapping is untested with vLLM {version}"
    if len(architectures) != 1 or architectures[0] not in ARCHITECTURES:
        return f"swapping is untested with {', '.join(architectures) or 'a model of no class'}"
    if "quantization_config" in config:
        return "quantised weights are not swapped"
    return "weights that are split over GPUs (--tp) are not swapped" if tp > 1 else None


def differing_files(first: Path, second: Path) -> str | None:
    """In what the files of two models differ beyond the numbers in their tensors; None where they do not."""
    left, right = (
        {key: value for key, value in json.loads((f / "config.json").read_text("utf-8")).items()}
        for f in (first, second)
    )
    if keys := [k for k in sorted({*left, *right} - SAME) if left.get(k) != right.get(k)]:
        return f"config.json differs in {', '.join(keys)}"
    shapes = [_shapes(folder) for folder in (first, second)]
    if shapes[0] != shapes[1]:
        odd = sorted(dict(shapes[0].items() ^ shapes[1].items()))
        return f"{len(odd)} tensors differ in name, shape or number format ({odd[0]})"
    return None


def _shapes(folder: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        name: (tensor["dtype"], tuple(tensor["shape"]))
        for file in sorted(folder.glob("*.safetensors"))
        for name, tensor in read_header(file)[0].items()
    }


class SwapWeights:
    """Methods for vLLM's worker (`worker_extension_cls`), which `self` then is."""

    model_runner: Any

    def evalkit_swap(self, folder: str) -> str | None:
        """Load the tensors of a folder over those that are there, and compare them all.

        Gives why the weights are not proven to be the folder's; None where they are.
        """
        import torch

        model = self.model_runner.get_model()
        if packed := [name for name, value in model.named_parameters() if value.numel() == 0]:
            return f"{len(packed)} weights are packed and cannot be compared ({packed[0]})"
        with torch.inference_mode():
            loaded = model.load_weights(tensors_of(Path(folder)))
            if missing := sorted({name for name, _ in model.named_parameters()} - set(loaded or ())):
                return f"{len(missing)} weights were not loaded ({missing[0]})"
            differing = differing_weights(model, dict(tensors_of(Path(folder))))
        return f"{len(differing)} weights are not the folder's ({differing[0]})" if differing else None


def tensors_of(folder: Path) -> Iterator[tuple[str, Any]]:
    """Name and tensor of all files of a folder, one file open at a time."""
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no mapping
                yield name, tensors.get_tensor(name)


def differing_weights(model: Any, tensors: Mapping[str, Any]) -> list[str]:
    """Names of a file's tensors that a loaded vLLM model does not hold, bit for bit in its number format.

    A matrix that vLLM fuses of several (`packed_modules_mapping`) holds them one after the other. Of a
    vocabulary that is padded the first rows are compared. A tied head must be the embedding itself.
    """
    import torch

    live = dict(model.named_parameters(remove_duplicate=False))
    fused = {
        part: (whole, place)
        for whole, parts in getattr(model, "packed_modules_mapping", {}).items()
        for place, part in enumerate(parts)
    }

    def target(name: str) -> tuple[str, int]:
        stem, _, leaf = name.rpartition(".")
        before, _, module = stem.rpartition(".")
        whole, place = fused.get(module, (module, 0))
        return ".".join(filter(None, (before, whole, leaf))), place

    wrong: list[str] = []
    starts: dict[str, int] = {}
    for name in sorted(tensors, key=target):
        tensor, (whole, _) = tensors[name], target(name)
        start = starts.get(whole, 0)
        starts[whole] = start + tensor.shape[0]
        held = live[whole].data[start : start + tensor.shape[0]] if whole in live else None
        if held is None or held.shape != tensor.shape or not torch.equal(held, tensor.to(held)):
            wrong.append(name)
    head, embedding = live.get("lm_head.weight"), live.get("model.embed_tokens.weight")
    untied = head is not None and embedding is not None and head.data_ptr() != embedding.data_ptr()
    if untied and "lm_head.weight" not in tensors:
        wrong.append("lm_head.weight")
    return wrong


@contextlib.contextmanager
def plain_cpu_weights() -> Iterator[None]:
    """Have vLLM for CPUs (0.24, 0.30) keep linear weights as they are, for models loaded inside.

    It packs them, which a later load does not reach where they are tied; plain ones are 1.7 times slower.
    """
    import torch
    from vllm.model_executor.layers import utils

    def dispatch(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    packing = utils.dispatch_cpu_unquantized_gemm
    utils.dispatch_cpu_unquantized_gemm = dispatch
    try:
        yield
    finally:
        utils.dispatch_cpu_unquantized_gemm = packing
