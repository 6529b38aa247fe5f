"""The doctor names the right cause first: in recorded runs that really failed, and cause by cause.

    pytest tests/trainkit/diagnose/test_doctor.py

tests/corpora/doctor/<case> holds what a failing run left behind (files over 100 kB gzipped) and
`expected.txt`, the cause that must come first. The other runs here are made of texts that the real
reward scored and of metrics that the real follower wrote.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_training_runs import HEALTHY, RIGHT, WRONG, make_run
from places import ROOT

from prompts.errors import UserError
from trainkit.diagnose.doctor import diagnose, first_step_verdict
from trainkit.runs.folder import TrainingRun
from trainkit.runs.lines import GrowingLines, metrics_line
from trainkit.watch.watch import WORTH_SAYING

CORPUS = ROOT / "tests/corpora/doctor"
CASES = sorted(path.parent for path in CORPUS.glob("*/expected.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_cause_of_a_run_that_really_failed_comes_first(case: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)  # the recorded paths are relative
    findings = diagnose(TrainingRun(case))
    assert findings, "nothing was found"
    assert findings[0].cause == (case / "expected.txt").read_text().strip()


def test_the_phase_that_ran_out_of_memory_is_read_from_rays_traceback() -> None:
    (finding,) = diagnose(TrainingRun(CORPUS / "micro_batch_too_large"))
    assert finding.sentence == "The GPU's memory ran out in the update of the weights."
    assert finding.evidence == "13.41 GiB more were asked for of a GPU with 79.18 GiB"
    assert "--micro-batch 64" in finding.option


def test_a_recorded_run_that_learned_has_nothing_serious() -> None:
    run = TrainingRun(CORPUS / "healthy")
    assert run.complete
    assert [finding for finding in diagnose(run) if finding.weight >= WORTH_SAYING] == []


def causes(run: TrainingRun) -> list[str]:
    return [finding.cause for finding in diagnose(run)]


def test_a_healthy_run_has_no_findings(tmp_path: Path) -> None:
    rows = [[RIGHT, WRONG, RIGHT, WRONG]] * 4
    assert causes(make_run(tmp_path, steps=HEALTHY, rollouts=rows, device="cuda")) == []


ZERO = {
    "marker that the prompt never asks for": (
        "no-marker", [("The answer is 4.", "4", False)] * 8, {"prompt": "What is 2 + 2?"},
    ),
    "marker that the model never writes": ("no-marker", [("The answer is 4.", "4", False)] * 8, {}),
    "marker in no form that the rule reads": (
        "marker-not-read", [("It is 4. ####", "4", False)] * 8, {"rule": "hash@1", "prompt": "End with ####"},
    ),
    "cut off": ("truncated", [("First we add 2 and", "4", True)] * 7 + [WRONG], {"response_length": 8}),
    "cut off, and never asked for the marker": (
        "no-marker", [("To add 2 and 2, we need", "4", True)] * 8, {"prompt": "What is 2 + 2?"},
    ),
    "another chat format": ("chat-template", [("4\nuser\nWhat is 3 + 3?\nassistant\n6", "4", True)] * 8, {}),
    "thinking that never ends": ("unfinished-thinking", [("<think> so \\boxed{4}", "4", True)] * 8, {}),
    "nothing said": ("chat-template", [("", "4", False)] * 8, {}),
    "wrong answers": ("too-hard", [WRONG] * 8, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", ZERO)
def test_why_every_reward_of_the_first_step_is_zero(name: str, tmp_path: Path) -> None:
    cause, texts, settings = ZERO[name]
    make_run(tmp_path, steps=HEALTHY[:1], rollouts=[texts], **settings)
    verdict = first_step_verdict(tmp_path)
    assert verdict is not None
    assert verdict.cause == cause
    assert verdict.option.count("--") + verdict.option.count("`") > 0, "it names something to do"
    assert causes(TrainingRun(tmp_path))[0] == cause


def test_unreadable_golds_are_the_cause(tmp_path: Path) -> None:
    # The launcher refuses such golds, so no reward can be computed for one: the line is written here.
    make_run(tmp_path, rollouts=[[WRONG] * 8])
    lines = [json.loads(line) for line in (tmp_path / "rollouts.jsonl").read_text().splitlines()]
    text = "".join(
        json.dumps({**line, "outcome": "unscored", "reason": "gold is no number"}) + "\n" for line in lines
    )
    (tmp_path / "rollouts.jsonl").write_text(text)
    verdict = first_step_verdict(tmp_path)
    assert verdict is not None
    assert verdict.cause == "gold-unreadable"
    assert "gold is no number" in verdict.evidence


def test_one_right_answer_is_enough_to_go_on(tmp_path: Path) -> None:
    make_run(tmp_path, rollouts=[[WRONG] * 7 + [RIGHT]])
    assert first_step_verdict(tmp_path) is None


def test_learning_rate_zero(tmp_path: Path) -> None:
    steps = [{**metrics, "actor/lr": 0.0} for metrics in HEALTHY]
    run = make_run(tmp_path, steps=steps, rollouts=[[RIGHT, WRONG]] * 4, learning_rate=0.0)
    assert causes(run)[0] == "learning-rate-zero"


def test_a_model_that_broke_is_not_called_truncated(tmp_path: Path) -> None:
    steps = [
        {**metrics, "actor/lr": 1e-2, "actor/grad_norm": norm}
        for metrics, norm in zip(HEALTHY, (0.4, 90.0, 1e3, 2e3), strict=True)
    ]
    garbage = [("the the the the", "4", True)] * 4
    rollouts = [[RIGHT, WRONG, WRONG, RIGHT], garbage, garbage, garbage]
    run = make_run(tmp_path, steps=steps, rollouts=rollouts, learning_rate=1e-2)
    first = diagnose(run)[0]
    assert first.cause == "learning-rate-high"
    assert "mean reward 0.50 in the first step, 0.00 in the last" in first.evidence


@pytest.mark.parametrize(("name", "value"), [("actor/grad_norm", float("nan")), ("actor/pg_loss", None)])
def test_a_number_that_is_none(tmp_path: Path, name: str, value: float | None) -> None:
    steps = [*HEALTHY[:2], {**HEALTHY[2], name: value}]
    finding = diagnose(make_run(tmp_path, steps=steps, rollouts=[[RIGHT, WRONG]] * 3))[0]
    assert finding.cause == "nan"
    assert "step 3" in finding.evidence


def test_one_sample_a_prompt(tmp_path: Path) -> None:
    run = make_run(tmp_path, steps=HEALTHY, rollouts=[[RIGHT, WRONG]] * 4, samples=1)
    assert causes(run)[0] == "one-sample"
    free = make_run(tmp_path / "r", steps=HEALTHY, rollouts=[[RIGHT]] * 4, samples=1, algorithm="reinforce++")
    assert "one-sample" not in causes(free)


@pytest.mark.parametrize(
    ("row", "word"), [([RIGHT] * 2 + [WRONG] * 10, "wrong"), ([RIGHT] * 10 + [WRONG] * 2, "right")]
)
def test_groups_without_advantage(tmp_path: Path, row: list[tuple[str, str, bool]], word: str) -> None:
    finding = diagnose(make_run(tmp_path, steps=HEALTHY, rollouts=[row] * 4))[0]
    assert finding.cause == "no-advantage"
    assert f"all their samples are {word}" in finding.sentence


def test_clipping(tmp_path: Path) -> None:
    steps = [{**metrics, "actor/pg_clipfrac": 0.4} for metrics in HEALTHY]
    assert causes(make_run(tmp_path, steps=steps, rollouts=[[RIGHT, WRONG]] * 4))[0] == "clipping"


def test_lengths_collapse_only_where_the_reward_does_not_rise(tmp_path: Path) -> None:
    long, short = ("word " * 60 + "\\boxed{4}", "4", False), ("\\boxed{5}", "4", False)
    falling = [[long, WRONG], [long, short], [short, short], [short, short]]
    assert "length-collapse" in causes(make_run(tmp_path, steps=HEALTHY, rollouts=falling))
    rising = [[long, WRONG], [long, RIGHT], [RIGHT, RIGHT], [RIGHT, RIGHT]]
    assert "length-collapse" not in causes(make_run(tmp_path / "r", steps=HEALTHY, rollouts=rising))


def test_entropy_collapse(tmp_path: Path) -> None:
    steps = [{**m, "actor/entropy": e} for m, e in zip(HEALTHY, (0.5, 0.2, 0.02, 0.01), strict=True)]
    rows = [[RIGHT, WRONG], [RIGHT, WRONG], [WRONG, WRONG, RIGHT, RIGHT], [WRONG, WRONG, RIGHT, RIGHT]]
    assert "entropy-collapse" in causes(make_run(tmp_path, steps=steps, rollouts=rows))


# The lines that PyTorch 2.11, vLLM 0.24 and Ray 2.60 print, behind Ray's prefix.
UPDATE_OOM = """
(WorkerDict pid=4021) Traceback (most recent call last):
(WorkerDict pid=4021)   File "verl/workers/engine_workers.py", line 612, in update_actor
(WorkerDict pid=4021)   File "verl/workers/engine/fsdp/transformer_impl.py", line 700, in train_batch
(WorkerDict pid=4021)   File "torch/autograd/graph.py", line 829, in _engine_run_backward
(WorkerDict pid=4021) torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 13.91 GiB. \
GPU 0 has a total capacity of 139.81 GiB of which 5.20 GiB is free.
"""
REFERENCE_OOM = """
  File "verl/workers/engine_workers.py", line 696, in compute_ref_log_prob
  File "verl/workers/engine_workers.py", line 398, in infer_batch
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9.00 GiB.
"""
LOG_PROB_OOM = """
  File "verl/workers/engine_workers.py", line 580, in compute_log_prob
  File "verl/workers/engine/fsdp/transformer_impl.py", line 650, in infer_batch
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9 GiB. GPU 0 has a total capacity of 79.15 GiB
"""
WAKE_OOM = """
  File "verl/workers/rollout/vllm_rollout/vllm_rollout.py", line 310, in update_weights
  File "vllm/v1/worker/gpu_worker.py", line 160, in wake_up
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.
"""


@pytest.mark.parametrize(
    ("log", "options", "phase", "advice"),
    [
        (UPDATE_OOM, {"token_budget": 65536}, "update of the weights", "--token-budget 32768"),
        (UPDATE_OOM, {"micro_batch": 16}, "update of the weights", "--micro-batch 8"),
        (LOG_PROB_OOM, {"micro_batch": 16}, "old log-probs", "--micro-batch 8"),
        (REFERENCE_OOM, {"micro_batch": 16}, "reference's log-probs", "--micro-batch 8"),
        (WAKE_OOM, {"gpu_memory": 0.8}, "weight sync", "--gpu-memory 0.4"),
    ],
)
def test_out_of_gpu_memory(
    tmp_path: Path, log: str, options: dict[str, Any], phase: str, advice: str
) -> None:
    first = diagnose(make_run(tmp_path, log=log, **options))[0]
    assert first.cause == "out-of-memory"
    assert phase in first.sentence
    assert advice in first.option


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("ValueError: No available memory for the cache blocks. Try increasing it.", "out-of-memory"),
        (
            "ValueError: Free memory on device (10.2/79.1 GiB) on startup "
            "is less than desired GPU memory utilization (0.4)", "gpu-in-use",
        ),
        ("ray: 1 Workers (tasks / actors) killed due to memory pressure (OOM)", "out-of-host-memory"),
        ("ValueError: Total available GPUs 1.0 is less than total desired GPUs 2", "missing-gpus"),
        ("OSError: [Errno 28] No space left on device", "disk-full"),
        ("Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'acc'\n", "exception"),
    ],
)  # fmt: skip
def test_other_ends(tmp_path: Path, log: str, cause: str) -> None:
    assert causes(make_run(tmp_path, log=log))[0] == cause


def test_checkpoint_with_another_lock(tmp_path: Path) -> None:
    run = make_run(tmp_path, steps=HEALTHY, rollouts=[[RIGHT, WRONG]] * 4)
    step = tmp_path / "global_step_4"
    step.mkdir()
    (step / "prompt.lock.json").write_text(json.dumps({"fingerprint": "f" * 12}))
    assert causes(run)[0] == "prompt-mismatch"


def test_slow_phases(tmp_path: Path) -> None:
    slow = {"timing_s/gen": 17.0, "timing_s/old_log_prob": 1.0, "timing_s/update_actor": 1.5}
    steps = [{**metrics, **slow} for metrics in HEALTHY]
    rows = [[RIGHT, WRONG]] * 4
    assert causes(make_run(tmp_path, steps=steps, rollouts=rows, device="cuda")) == ["slow-gen"]
    steps = [{**metrics, "timing_s/testing": 30.0} for metrics in HEALTHY]
    assert "slow-testing" in causes(make_run(tmp_path / "v", steps=steps, rollouts=rows, device="cuda"))
    steps = [{**metrics, "perf/mfu/actor": 0.03} for metrics in HEALTHY]
    assert "slow-update-actor" in causes(make_run(tmp_path / "m", steps=steps, rollouts=rows, device="cuda"))


def test_a_step_that_learns_from_few_groups_is_not_slow_at_generation(tmp_path: Path) -> None:
    """Four fifths of the tokens are left out: what remains of log-probs and update is a fifth."""
    spent = {"timing_s/gen": 12.5, "timing_s/old_log_prob": 1.5, "timing_s/update_actor": 2.5}
    rows = [[RIGHT, WRONG]] * 4
    every = [{**metrics, **spent} for metrics in HEALTHY]
    few = [{**metrics, "training/token_share_trained": 0.2} for metrics in every]
    assert causes(make_run(tmp_path / "every", steps=every, rollouts=rows, device="cuda")) == ["slow-gen"]
    assert causes(make_run(tmp_path / "few", steps=few, rollouts=rows, device="cuda")) == []


def test_growing_lines_wait_for_the_end_of_a_line(tmp_path: Path) -> None:
    lines = GrowingLines(tmp_path / "a.jsonl", metrics_line)
    assert list(lines.new()) == []
    (tmp_path / "a.jsonl").write_text('{"step": 1}\n{"st')
    assert list(lines.new()) == [{"step": 1}]
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write('ep": 2}\n')
    assert list(lines.new()) == [{"step": 2}]
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write("no json\n")
    with pytest.raises(UserError, match="no JSON"):
        list(lines.new())


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no training run"):
        TrainingRun(tmp_path)


def test_the_command_prints_findings(tmp_path: Path) -> None:
    make_run(tmp_path, rollouts=[[("The answer is 4.", "4", False)] * 8])
    command = [sys.executable, "-m", "trainkit", "doctor", str(tmp_path), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(done.stdout)
    assert found[0]["cause"] == "no-marker"
    assert set(found[0]) == {"cause", "sentence", "evidence", "option", "weight"}


def test_turn_marks_of_another_family(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    tokens = [{"content": "<|im_start|>"}, {"content": "<|im_end|>"}]
    (model / "tokenizer.json").write_text(json.dumps({"added_tokens": tokens}))
    for prompt, expected in (("<|im_start|>user", False), ("<|start_header_id|>user", True)):
        run = make_run(tmp_path / "run", prompt=prompt, rollouts=[[RIGHT, WRONG]], steps=HEALTHY[:1])
        job = json.loads((run.folder / "train.json").read_text())
        (run.folder / "train.json").write_text(json.dumps({**job, "model_folder": str(model)}))
        assert ("chat-template" in causes(TrainingRun(run.folder))) == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", b"{"),
        ("tokenizer.json", b"[]"),
        ("tokenizer.json", b'{"added_tokens": [5]}'),
        ("tokenizer.json", b'{"added_tokens": 5}'),
        ("tokenizer_config.json", b"\xff\xfe{"),
        ("tokenizer_config.json", b"[]"),
        ("chat_template.jinja", b"\xff"),
    ],
)
def test_broken_files_of_the_model_are_named(name: str, content: bytes, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / name).write_bytes(content)
    run = make_run(tmp_path / "run", rollouts=[[RIGHT, WRONG]], steps=HEALTHY[:1])
    job = json.loads((run.folder / "train.json").read_text())
    (run.folder / "train.json").write_text(json.dumps({**job, "model_folder": str(model)}))
    with pytest.raises(UserError, match=name):
        causes(TrainingRun(run.folder))


@pytest.mark.parametrize("name", ["rollouts.jsonl", "verl.log", "metrics.jsonl"])
def test_a_pipe_in_a_run_is_not_waited_for(name: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", rollouts=[[RIGHT, WRONG]], steps=HEALTHY[:1])
    (run.folder / name).unlink()
    os.mkfifo(run.folder / name)
    with pytest.raises(UserError, match=f"{name} is no plain file"):
        causes(TrainingRun(run.folder))


def test_many_cut_off_although_some_are_right(tmp_path: Path) -> None:
    row = [RIGHT, ("First we", "4", True), ("First we", "4", True), ("So it", "4", True)]
    finding = diagnose(make_run(tmp_path, steps=HEALTHY, rollouts=[row] * 4, response_length=100))[0]
    assert finding.cause == "truncated"
    assert "--response-length 200" in finding.option


def test_what_a_recorded_run_leaves_out_is_said() -> None:
    command = [sys.executable, "-m", "trainkit", "doctor", str(ROOT / "results/recorded/coder-1.5b-gsm8k")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    assert done.stderr == "not there, so not looked at: prompt.lock.json, rollouts.jsonl, verl.log\n"


def test_the_recorded_gpu_run_has_no_findings() -> None:
    assert diagnose(TrainingRun(ROOT / "results/recorded/coder-1.5b-gsm8k")) == []
