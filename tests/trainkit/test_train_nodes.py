"""Training over two nodes: two raylets of this machine with a made-up GPU each, a checkpoint of two ranks.

pytest -m slow tests/trainkit/test_train_nodes.py        (about four minutes on two cores, 13 GiB)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

pytestmark = [pytest.mark.train, pytest.mark.slow]
OPTIONS = [
    "--model", "smollm2-135m", "--task", "sums", "--device", "cpu", "--nodes", "2", "--steps", "3",
    "--batch", "4", "--samples", "4", "--mini-batch", "4", "--save-every", "3", "--validate-every", "3",
    "--response-length", "24", "--go-on", "--output", "runs/nodes",
]  # fmt: skip


def test_three_steps_a_checkpoint_and_the_proofs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    node = {"num_cpus": 8, "num_gpus": 1, "object_store_memory": 300_000_000}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        trained = command(tmp_path, "grpo", *OPTIONS, cluster=cluster.address)
    finally:
        cluster.shutdown()
    run = tmp_path / "runs/nodes"
    assert "asked 2 nodes: same packages, tokenizer and run folder" in trained
    assert "are, id by id, those of prompts.tokens.encode" in trained
    assert " 0 micro-batches" not in trained
    names = {path.name for path in (run / "global_step_3/actor").glob("model_world_size_2_rank_*.pt")}
    assert names == {"model_world_size_2_rank_0.pt", "model_world_size_2_rank_1.pt"}
    made = [json.loads(line) for line in (run / "rollouts.jsonl").read_text().splitlines()]
    assert sum(not line["validate"] for line in made) == 3 * 4 * 4  # a file for both ranks, no line doubled
    agreed = command(tmp_path, "agree", "nodes", "--step", "3")
    assert "same outcome" in agreed


def command(cwd: Path, *arguments: str, cluster: str = "") -> str:
    """Run trainkit; returns what it printed (stdout and stderr)."""
    env = {**os.environ, **({"RAY_ADDRESS": cluster} if cluster else {})}
    call = [sys.executable, "-m", "trainkit", *arguments]
    done = subprocess.run(call, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr
