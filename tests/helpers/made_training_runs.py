"""Folders of training runs: texts that the real reward scored, metrics that the real follower wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.grade.judge import Judge
from trainkit.options import Options
from trainkit.plugins.reward import compute
from trainkit.runs.folder import TrainingRun
from trainkit.runs.metrics import Follower

RIGHT, WRONG = ("So it is \\boxed{4}.", "4", False), ("So it is \\boxed{5}.", "4", False)
HEALTHY = [
    {"actor/lr": 1e-6, "actor/grad_norm": 0.3, "actor/entropy": 0.4, "actor/pg_clipfrac": 0.01, **phases}
    for phases in [{"timing_s/gen": 8.0, "timing_s/old_log_prob": 4.0, "timing_s/update_actor": 7.0}] * 4
]


def make_run(
    folder: Path,
    *,
    steps: Sequence[dict[str, Any]] = (),
    rollouts: Sequence[Sequence[tuple[str, str, bool]]] = (),
    rule: str = "boxed@1",
    prompt: str = "What is 2 + 2? Put your answer in \\boxed{}.",
    log: str = "",
    response_length: int = 64,
    **options: Any,
) -> TrainingRun:
    """A run's folder. `rollouts` holds per step (text, gold, truncated), two samples a question."""
    folder.mkdir(exist_ok=True)
    job = {
        "options": Options(**{"samples": 2, **options}).as_dict(),
        "base": {"name": "smollm2-135m"},
        "rule": rule,
        "response_length": response_length,
        "total_steps": max(1, len(steps)),
        "template": "gsm8k-boxed@1",
        "fingerprint": "0" * 12,
    }
    (folder / "train.json").write_text(json.dumps(job))
    lock = {"fingerprint": "0" * 12, "reading": {"probe": {"0": {"text": prompt, "ids": ""}}}}
    (folder / "prompt.lock.json").write_text(json.dumps(lock))
    (folder / "verl.log").write_text(log)
    with (folder / "rollouts.jsonl").open("w") as file:
        for step, texts in enumerate(rollouts, 1):
            for number, (text, gold, truncated) in enumerate(texts):
                file.write(json.dumps(rollout(step, number, text, gold, truncated, rule)) + "\n")
    with (folder / "verl_metrics.jsonl").open("w") as file:
        for step, metrics in enumerate(steps, 1):
            data = {"timing_s/step": 20.0, "critic/score/mean": 0.5, **metrics}
            file.write(json.dumps({"step": step, "data": data}) + "\n")
    Follower(folder).poll()
    return TrainingRun(folder)


def rollout(step: int, number: int, text: str, gold: str, truncated: bool, rule: str) -> dict[str, Any]:
    """One line of rollouts.jsonl, as trainkit/plugins/agent_loop.py writes it."""
    reward = compute(text, gold, Judge(rule))
    return {
        "step": step, "validate": False, "id": f"q{number // 2}", "sample": number % 2, "question": "?",
        "gold": gold, "text": text, "reward": reward.value, "outcome": reward.outcome,
        "reason": reward.reason, "lenient_outcome": reward.lenient, "truncated": truncated,
        "completion_tokens": max(1, len(text) // 4), "hook_seconds": 0.0001,
    }  # fmt: skip
