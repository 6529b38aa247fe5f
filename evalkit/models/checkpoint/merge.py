"""Merge the shards of a checkpoint into a Hugging Face folder, in a process of its own.

    python -m evalkit.models.checkpoint.merge RUNS/demo/global_step_50 OUTPUT

Called by `evalkit.models.checkpoint.cache`; the last line of stdout is the report, or the error, as JSON.
Weights are written in the number format in which vLLM held them in training (`Checkpoint.dtype`).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.utils import logging

from evalkit.models.checkpoint import lora
from evalkit.models.checkpoint.recognise import Checkpoint, open_checkpoint
from evalkit.models.checkpoint.shards import join, load_shards
from evalkit.models.checkpoint.verify import Moves, verify_folder
from prompts.errors import Failed, Mismatch, UserError
from prompts.files import write_json
from prompts.lock import write_lock

COPIED = {".json", ".jinja", ".txt", ".model", ".py"}


def merge(checkpoint: Checkpoint, target: Path, *, trust_remote_code: bool = False) -> dict[str, Any]:
    """Write the merged model into the empty folder `target`, verify it, and return the report.

    Raises UserError where the checkpoint cannot be read, Failed where the result is not what the
    shards hold, where a weight is not finite, or where no weight differs from the base.
    """
    started = time.perf_counter()
    dtype = {"bfloat16": torch.bfloat16, "float32": torch.float32}[checkpoint.dtype]
    config = AutoConfig.from_pretrained(checkpoint.huggingface, trust_remote_code=trust_remote_code)
    model = _empty_model(config, dtype, trust_remote_code)
    moves = Moves(checkpoint.base_folder)
    state = {}
    for name, tensor in whole_tensors(checkpoint):
        state[name] = _cast(tensor, dtype)
        # The extremes are finite where all values are; 30 times as fast as asking each of them.
        if not torch.isfinite(torch.stack(tensor.aminmax())).all():
            raise Failed(f"{checkpoint.name}: {name} holds values that are not finite; the training diverged")
        moves.see(name, tensor)
    _check_space(state, target)
    _assign(model, state, checkpoint)
    model.config.dtype = dtype
    model.save_pretrained(target)
    _copy_rest(checkpoint.huggingface, target)
    if checkpoint.lock is not None:
        write_lock(checkpoint.lock, target)
    if checkpoint.manifest is not None:  # its marks and its fingerprint travel too
        write_json(target / "manifest.json", checkpoint.manifest)
    del model, state
    expected = ((name, _cast(tensor, dtype)) for name, tensor in whole_tensors(checkpoint))
    tensors = verify_folder(target, expected, trust_remote_code=trust_remote_code)
    moves.require_some(checkpoint)
    return {
        "source": checkpoint.name,
        "step": checkpoint.step,
        "fingerprint": checkpoint.lock.fingerprint if checkpoint.lock else None,
        "tensors": tensors,
        "dtype": checkpoint.dtype,
        "ranks": checkpoint.world_size,
        **moves.report(),
        "seconds": round(time.perf_counter() - started, 1),
    }


def whole_tensors(checkpoint: Checkpoint) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of the model in the shards' dtype, an adapter folded in, under its plain name."""
    states = load_shards(checkpoint.model_shards())
    names = list(states[0])

    def tensor(name: str) -> torch.Tensor:
        return join(name, [state[name] for state in states])

    if lora.is_lora(names):
        yield from lora.fold(names, tensor, *lora.read_scaling(checkpoint.actor))
    else:
        yield from ((name, tensor(name)) for name in names)


def _cast(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _empty_model(config: PretrainedConfig, dtype: torch.dtype, trust_remote_code: bool) -> PreTrainedModel:
    """The architecture without memory: it knows the names, shapes and ties of its weights."""
    architecture = (config.architectures or ["none"])[0]
    if not architecture.endswith("ForCausalLM"):
        raise UserError(f"the checkpoint is a {architecture}; only causal language models are merged")
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=trust_remote_code)
    return model


def _assign(model: PreTrainedModel, state: dict[str, torch.Tensor], checkpoint: Checkpoint) -> None:
    """Put the tensors into the model; UserError where one is missing, unknown or of another shape.

    Only a tied head may be absent. One that is there must equal what it is tied to.
    """
    expected = {name: parameter.shape for name, parameter in model.state_dict().items()}
    for name, tensor in state.items():
        if name not in expected:
            raise UserError(f"{checkpoint.folder} holds {name}, which its config.json does not know")
        if tensor.shape != expected[name]:
            raise UserError(
                f"{checkpoint.folder}: {name} has shape {tuple(tensor.shape)}, "
                f"by config.json {tuple(expected[name])}"
            )
    for tied in _tied_names(model):
        present = [name for name in tied if name in state]
        for other in present[1:]:
            if not torch.equal(state[other], state[present[0]]):
                raise UserError(
                    f"{checkpoint.folder}: {other} differs from {present[0]}, to which config.json ties it"
                )
        state.update(dict.fromkeys(tied, state[present[0]]) if present else {})
    if absent := sorted(set(expected) - set(state)):
        raise UserError(f"{checkpoint.folder} misses {len(absent)} tensors, the first is {absent[0]}")
    model.load_state_dict(state, assign=True)
    model.tie_weights()


def _tied_names(model: PreTrainedModel) -> list[list[str]]:
    """Groups of names that stand for one parameter (a head tied to the embedding)."""
    groups: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        groups.setdefault(id(parameter), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _check_space(state: dict[str, torch.Tensor], target: Path) -> None:
    need = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    free = shutil.disk_usage(target).free
    if free < need:
        raise UserError(
            f"the merged model needs {need / 1e9:.1f} GB in {target.parent}, {free / 1e9:.1f} GB are free; "
            "remove what is not needed there (merged models can be made again)"
        )


def _copy_rest(huggingface: Path, target: Path) -> None:
    """Tokenizer, chat template, generation config and code as they were saved; never weights."""
    # save_pretrained makes one up where there is none, and its end tokens would be new stop ids.
    (target / "generation_config.json").unlink(missing_ok=True)
    for path in sorted(huggingface.iterdir()):
        if path.suffix in COPIED and path.name != "config.json" and ".index." not in path.name:
            shutil.copyfile(path, target / path.name)


def main() -> None:
    parser = argparse.ArgumentParser(description="Merge one checkpoint (called by evalkit).")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--trust-remote-code", action="store_true")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with torch.inference_mode():
            result = merge(
                open_checkpoint(arguments.checkpoint),
                arguments.target,
                trust_remote_code=arguments.trust_remote_code,
            )
    except UserError as error:
        detail = error.detail if isinstance(error, Mismatch) else ""
        result = {"error": str(error), "code": error.exit_code, "detail": detail}
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        result = {"error": f"{arguments.checkpoint} cannot be merged: {reason}", "code": 2, "detail": ""}
    sys.stdout.write("\n" + orjson.dumps(result).decode() + "\n")


if __name__ == "__main__":
    main()
