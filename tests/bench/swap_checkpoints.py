"""Swapped weights on a GPU: checkpoints to swap, and whether each gives the ids of a fresh engine.

    python tests/bench/swap_checkpoints.py perturb MODEL FOLDER 8    writes FOLDER/p1 to p8
    python tests/bench/swap_checkpoints.py same FOLDER 3             scores p1 to p3 swapped and fresh

`same` scores 64 questions of GSM8K, batch-invariant: the first model, then the others swapped into its
engine, then each in an engine of its own, and compares the texts and lengths of all completions.
On a CPU it leaves `--batch-invariant` out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from evalkit.runs.folder import read_run

ROWS = 64


def perturb(model: Path, folder: Path, count: int) -> None:
    """Copies of a model with a two-hundredth of noise on its matrices, another in each."""
    import torch
    from safetensors.torch import load_file, save_file

    for number in range(1, count + 1):
        copy = folder / f"p{number}"
        shutil.copytree(model, copy, ignore=shutil.ignore_patterns("*.safetensors"))
        drawn = torch.Generator().manual_seed(number)
        for file in sorted(model.glob("*.safetensors")):
            tensors = load_file(file)
            for name, tensor in tensors.items():
                if tensor.dim() == 2:
                    noise = torch.empty_like(tensor).normal_(generator=drawn)
                    tensors[name] = tensor + noise * (tensor.float().std() / 200).to(tensor.dtype)
            save_file(tensors, copy / file.name, metadata={"format": "pt"})


def on_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def score(models: list[Path], results: Path, swap: bool) -> list[Path]:
    """The result folders of these models, of one command."""
    command = [sys.executable, "-m", "evalkit", "score", "--task", "gsm8k", "--prompt", "gsm8k-boxed"]
    command += ["--limit", str(ROWS), "--max-tokens", "256"]
    command += [part for model in models for part in ("--model", str(model))]
    command += ["--gpus", "1", "--batch-invariant"] if on_gpu() else []
    env = {**os.environ, "EVALKIT_RESULTS": str(results), "EVALKIT_SWAP": str(int(swap))}
    start = time.monotonic()
    subprocess.run(command, check=True, env=env)
    print(
        f"{len(models)} models {'swapped' if swap else 'fresh'}: {time.monotonic() - start:.1f} s", flush=True
    )
    runs = {
        read_run(path.parent).manifest.model.name: path.parent for path in results.glob("*/manifest.json")
    }
    return [runs[name] for model in models for name in runs if name.endswith(model.name)]


def same(folder: Path, count: int) -> None:
    """Print for each model whether it was swapped, and how many of its completions are a fresh engine's."""
    models = [folder / f"p{number}" for number in range(1, count + 1)]
    swapped = score(models, folder / "swapped", swap=True)
    fresh = score(models, folder / "fresh", swap=False)
    for one, other in zip(swapped, fresh, strict=True):
        left, right = (
            {r.id: (r.text, r.completion_tokens) for r in read_run(path).records} for path in (one, other)
        )
        equal = sum(left[row] == right[row] for row in left)
        was = read_run(one).manifest.engine.swapped
        print(json.dumps({"model": one.name, "swapped": was, "rows": len(left), "equal": equal}))


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    if task == "perturb":
        perturb(Path(rest[0]), Path(rest[1]), int(rest[2]))
    else:
        same(Path(rest[0]), int(rest[1]))
