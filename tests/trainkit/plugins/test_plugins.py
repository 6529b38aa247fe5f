"""What surrounds verl: processes that end, logs that are read, checks that stop a run, checkpoints kept.

Real processes and files; verl itself runs in tests/trainkit/test_train_run.py.

pytest tests/trainkit/plugins/test_plugins.py
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from made_training_runs import made_job
from places import ROOT

from prompts.errors import Failed, Mismatch, UserError
from prompts.lock import make_lock, write_lock
from prompts.registry import get_template
from prompts.render import render_question
from prompts.tokens import encode, resolve_stop_ids
from trainkit.launch.environment import announce_plugins
from trainkit.launch.log import failure
from trainkit.launch.process import hold, run_verl
from trainkit.launch.vllm_watchdog import VllmWatchdog
from trainkit.options import resolve
from trainkit.prepare import write_data
from trainkit.runs.job import Job
from trainkit.runs.metrics import Follower, cut_back, describe, validation_accuracy
from trainkit.train import keep_best
from trainkit.verify.tokens import check_tokens


def run_python(code: str, folder: Path, follow: Callable[[], None] = lambda: None) -> None:
    with hold(folder) as lock:
        run_verl([sys.executable, "-c", code], folder, dict(os.environ), lock, follow)


def test_failure_shows_the_reason_and_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "verl.log").write_text("ValueError: of an earlier start\n")
    with pytest.raises(Failed) as caught:
        run_python("print('line before'); raise RuntimeError('CUDA out of memory')", tmp_path)
    first, *rest = str(caught.value).splitlines()
    assert first == "verl ended with exit code 1: RuntimeError: CUDA out of memory"
    assert "    line before" in rest
    assert rest[-1].endswith("verl.log")
    assert "earlier start" not in str(caught.value)


def test_our_own_reason_wins_over_what_ray_says_after_it(tmp_path: Path) -> None:
    log = tmp_path / "verl.log"
    log.write_text(
        "(TaskRunnerV1 pid=1) RuntimeError: trainkit: a rollout failed, so the run stops: ValueError: no\n"
        "ray.exceptions.RayTaskError(RuntimeError): ray::TaskRunnerV1.run()\n"
        "RuntimeError: something that followed\n"
    )
    assert failure(log).splitlines()[0] == "a rollout failed, so the run stops: ValueError: no"


WORKER = "(vLLMHttpServer pid=1) (Worker pid=2) ERROR 11-22 22:38:13 [multiproc_executor.py:1055] "


def test_a_verl_that_waits_for_a_dead_vllm_is_noticed(tmp_path: Path) -> None:
    """From a LoRA run that hung: vLLM's worker refused the weights, and verl waited for its answer."""
    log = tmp_path / "verl.log"
    log.write_text(f"{WORKER}ValueError: of an earlier start\n")
    start = log.stat().st_size
    patient, hasty = VllmWatchdog(log, start, patience=600), VllmWatchdog(log, start, patience=0)
    assert not hasty.expired()
    with log.open("a") as file:
        file.write(f"(TaskRunnerV1 pid=3) step:1\n{WORKER}WorkerProc hit an excep")
        file.flush()
        assert not hasty.expired()  # half a line
        file.write(f"tion.\n{WORKER}ValueError: 'lm_head.weight' was skipped\n{WORKER}BufferError: later\n")
    hasty.expired()
    time.sleep(0.001)
    assert hasty.expired() and not patient.expired()
    assert failure(log, hasty.failed_at, first=True).startswith("ValueError: 'lm_head.weight' was skipped\n")
    assert failure(log, start).startswith("BufferError: later\n")


def test_what_follow_raises_ends_the_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def follow() -> None:
        if pid.exists():
            raise Failed("enough")

    code = (
        f"import os, time, pathlib; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    with pytest.raises(Failed, match="enough"):
        run_python(code, tmp_path, follow)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


DRIVER = """
import os, sys, time
from pathlib import Path
from trainkit.launch.process import hold, run_verl
folder = Path(sys.argv[1])
child = "import os, time, pathlib; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)"
try:
    with hold(folder) as lock:
        run_verl([sys.executable, "-c", child], folder, dict(os.environ), lock, lambda: None)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_stopped_trainkit_takes_verl_along(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(folder)], cwd=ROOT)
    child = folder / "pid"
    wait_for(lambda: child.exists() and child.read_text() != "")
    with pytest.raises(UserError, match="is being trained by another process"), hold(folder):
        pass
    driver.send_signal(sent)
    assert driver.wait(30) == code
    wait_for(lambda: not alive(int(child.read_text())))
    with hold(folder):
        pass


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "verl.log").mkdir()
    (tmp_path / "plugins").write_text("in the way")
    with pytest.raises(UserError, match=f"^{tmp_path}/plugins/.* cannot be made: "):
        announce_plugins(tmp_path)
    with pytest.raises(UserError, match=f"^{tmp_path}/verl.log cannot be written: "):
        run_python("pass", tmp_path)


def test_plugins_are_announced_to_the_run_alone(tmp_path: Path) -> None:
    code = (
        "from importlib.metadata import entry_points;"
        "found = [*entry_points(group='vllm.general_plugins'), *entry_points(group='verl.plugins')];"
        "print([point.value for point in found if point.value.startswith('trainkit.')])"
    )
    env = {**os.environ, "PYTHONPATH": str(announce_plugins(tmp_path))}
    seen = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "trainkit.plugins.token_capture:plugin" in seen.stdout
    assert "trainkit.plugins.cpu_vllm:plugin" in seen.stdout
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def rollout(step: int, row: str, reward: float, **more: Any) -> dict[str, Any]:
    line = {
        "step": step,
        "validate": False,
        "id": row,
        "sample": 0,
        "question": "?",
        "gold": "4",
        "text": "4",
        "outcome": "correct" if reward else "wrong",
        "reason": "equal" if reward else "not equal",
        "lenient_outcome": "correct",
        "reward": reward,
        "truncated": False,
        "completion_tokens": 10,
        "hook_seconds": 0.001,
    }
    return {**line, **more}


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_metrics_join_verl_and_rollouts(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "rollouts.jsonl",
        [
            rollout(0, "a", 1.0, validate=True),
            rollout(1, "a", 1.0),
            rollout(1, "a", 0.0, outcome="no_answer", truncated=True),
            rollout(1, "b", 0.0),
            rollout(1, "b", 0.0),
            rollout(2, "a", 1.0),
        ],
    )
    data = {"timing_s/step": 3.0, "timing_s/gen": 2.0, "critic/score/mean": 0.25}
    validation = {"val-core/sums/acc/mean@1": 0.3, "val-core/sums/acc/best@4": 0.9}
    write_lines(tmp_path / "verl_metrics.jsonl", [{"step": 0, "data": validation}, {"step": 1, "data": data}])
    follower = Follower(tmp_path)
    before, first = follower.poll()
    assert validation_accuracy(before) == 0.3
    assert "trainkit/acc" not in before
    assert first["trainkit/acc"] == 0.25
    assert first["trainkit/no_answer"] == first["trainkit/truncated"] == 0.25
    assert first["trainkit/no_advantage"] == 0.5
    assert first["trainkit/rollouts"] == 4
    assert first["trainkit/hook_seconds"] == pytest.approx(0.004)
    assert follower.poll() == []
    written = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in written] == [0, 1]
    assert describe(first, 9) == (
        "step 1/9  reward 0.250  no-answer 25%  truncated 25%  no-advantage 50%  3.0 s (generate 2.0)"
    )


def test_thinking_that_does_not_end_is_counted_apart(tmp_path: Path) -> None:
    cut = {"outcome": "no_answer", "reason": "unfinished thinking", "thinking_tokens": 12}
    lines = [rollout(1, "a", 0.0, **cut), rollout(1, "a", 1.0, thinking_tokens=4)]
    write_lines(tmp_path / "rollouts.jsonl", lines)
    data = {"timing_s/step": 3.0, "critic/score/mean": 0.5}
    write_lines(tmp_path / "verl_metrics.jsonl", [{"step": 1, "data": data}])
    (line,) = Follower(tmp_path).poll()
    assert line["trainkit/unfinished_thinking"] == 0.5
    assert line["trainkit/thinking_tokens"] == 8
    assert "no-answer 50%  unfinished-thinking 50%" in describe(line, 1)


def test_a_step_in_which_nothing_teaches_is_said() -> None:
    line = {"step": 2, "timing_s/step": 3.0, "critic/score/mean": 0.0, "training/groups_teaching": 0.0}
    assert "no group teaches: nothing is learned in this step" in describe(line, 9)
    assert "no group teaches" not in describe({**line, "training/groups_teaching": 1.0}, 9)


def test_a_row_that_is_drawn_twice_is_two_groups(tmp_path: Path) -> None:
    first = [rollout(1, "a", 1.0, group="g1"), rollout(1, "a", 1.0, group="g1")]
    write_lines(tmp_path / "rollouts.jsonl", [*first, rollout(1, "a", 0.0, group="g2")])
    write_lines(tmp_path / "verl_metrics.jsonl", [{"step": 1, "data": {}}])
    assert Follower(tmp_path).poll()[0]["trainkit/no_advantage"] == 1.0


def test_cut_back_leaves_no_step_twice(tmp_path: Path) -> None:
    write_lines(tmp_path / "metrics.jsonl", [{"step": step} for step in (0, 1, 2, 3)])
    write_lines(tmp_path / "rollouts.jsonl", [rollout(step, "a", 1.0) for step in (0, 1, 2, 3)])
    with (tmp_path / "rollouts.jsonl").open("a") as file:
        file.write('{"step": 1, "torn')
    (tmp_path / "rollout_error.txt").write_text("old")
    cut_back(tmp_path, 2)
    for name in ("metrics.jsonl", "rollouts.jsonl"):
        assert [json.loads(line)["step"] for line in (tmp_path / name).read_text().splitlines()] == [0, 1, 2]
    assert not (tmp_path / "rollout_error.txt").exists()


def test_what_verl_wrote_after_trainkit_was_killed_is_taken_over(tmp_path: Path) -> None:
    logged = [{"step": step, "data": {"critic/score/mean": step / 10}} for step in (0, 1, 2, 3)]
    write_lines(tmp_path / "verl_metrics.jsonl", logged)
    write_lines(tmp_path / "rollouts.jsonl", [rollout(step, "a", 1.0) for step in (1, 2, 3)])
    write_lines(tmp_path / "metrics.jsonl", [{"step": 0, "read": 1}, {"step": 1}])
    cut_back(tmp_path, 2)
    kept = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in kept] == [0, 1, 2]
    assert kept[0]["read"] == 1
    assert (kept[2]["critic/score/mean"], kept[2]["trainkit/rollouts"]) == (0.2, 1)


def test_cut_back_to_the_base_model_forgets_its_validation_too(tmp_path: Path) -> None:
    """Killed before the first save: the same command validates the base model again."""
    write_lines(tmp_path / "metrics.jsonl", [{"step": 0}, {"step": 1}])
    write_lines(tmp_path / "rollouts.jsonl", [rollout(0, "a", 1.0, validate=True), rollout(1, "b", 1.0)])
    cut_back(tmp_path, None)
    assert (tmp_path / "metrics.jsonl").read_text() == (tmp_path / "rollouts.jsonl").read_text() == ""


def test_cut_back_drops_a_validation_that_did_not_end(tmp_path: Path) -> None:
    """Killed between the save of step 2 and the end of its validation."""
    write_lines(tmp_path / "metrics.jsonl", [{"step": 0}, {"step": 1}])
    training = [rollout(1, "a", 1.0), rollout(2, "a", 1.0)]
    validation = [rollout(step, "v", 1.0, validate=True) for step in (0, 2)]
    write_lines(tmp_path / "rollouts.jsonl", [*training, *validation])
    cut_back(tmp_path, 2)
    kept = [json.loads(line) for line in (tmp_path / "rollouts.jsonl").read_text().splitlines()]
    assert kept == [*training, validation[0]]


@pytest.fixture
def checked_run(tmp_path: Path, smollm2: Path, tokenizer: Any) -> tuple[Path, Job]:
    """A run's folder with two rows and what a faithful verl and vLLM would have noted."""
    import pyarrow
    import pyarrow.parquet

    template = get_template("sums@1")
    batch, engine = [], []
    for name, numbers in (("train", (1, 2)), ("validation", (3,))):
        rows = []
        for number in numbers:
            rendered = render_question(template, f"What is {number} + {number}?")
            rows.append({"prompt": rendered, "extra_info": {"id": f"row{number}"}})
            ids = encode(tokenizer, rendered)
            batch.append({"partition": name, "id": f"row{number}", "ids": ids, "inputs_agree": True})
            engine.append({"ids": ids})
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    write_lines(tmp_path / "tokens_batch.jsonl", batch)
    write_lines(tmp_path / "tokens_vllm.jsonl", engine)
    stop_ids = list(resolve_stop_ids(tokenizer, smollm2))
    job = made_job(model_folder=str(smollm2), template=template.ref, stop_ids=stop_ids, prompt_length=40)
    return tmp_path, job


def test_token_check_passes_what_is_equal(checked_run: tuple[Path, Job]) -> None:
    result = check_tokens(*checked_run)
    assert (result.batch, result.engine) == (3, 3)


@pytest.mark.parametrize("name", ["tokens_batch.jsonl", "tokens_vllm.jsonl"])
@pytest.mark.parametrize("left", [None, 0, 2])
def test_token_check_proves_nothing_by_nothing(
    checked_run: tuple[Path, Job], name: str, left: int | None
) -> None:
    path = checked_run[0] / name
    lines = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    if left is not None:
        path.write_bytes(b"".join(lines[:left]))
    if name == "tokens_batch.jsonl" and left:
        assert check_tokens(*checked_run).batch == left  # the engine may have admitted more
        return
    with pytest.raises(Failed, match="too few to prove"):
        check_tokens(*checked_run)


@pytest.mark.parametrize("name", ["tokens_batch.jsonl", "tokens_vllm.jsonl"])
def test_token_check_names_the_first_differing_token(checked_run: tuple[Path, Job], name: str) -> None:
    run, job = checked_run
    lines = [json.loads(line) for line in (run / name).read_text().splitlines()]
    lines[1]["ids"][7] += 1
    write_lines(run / name, lines)
    with pytest.raises(Mismatch, match=r"differs from prompts\.tokens\.encode at token 7") as caught:
        check_tokens(run, job)
    assert "encode gives" in caught.value.detail
    assert "captured was" in caught.value.detail


def test_token_check_sees_a_doubled_start_token(checked_run: tuple[Path, Job], tokenizer: Any) -> None:
    run, job = checked_run
    lines = [json.loads(line) for line in (run / "tokens_vllm.jsonl").read_text().splitlines()]
    for line in lines:
        line["ids"] = [tokenizer.bos_token_id, *line["ids"]]
    write_lines(run / "tokens_vllm.jsonl", lines)
    with pytest.raises(Mismatch, match="admitted by vLLM"):
        check_tokens(run, job)


def test_token_check_sees_other_inputs_and_unseen_prompts(checked_run: tuple[Path, Job]) -> None:
    run, job = checked_run
    lines = [json.loads(line) for line in (run / "tokens_batch.jsonl").read_text().splitlines()]
    write_lines(run / "tokens_batch.jsonl", [*lines[:2], {**lines[2], "inputs_agree": False}])
    with pytest.raises(Mismatch, match="row3 in verl's validation batch"):
        check_tokens(run, job)
    write_lines(run / "tokens_batch.jsonl", lines)
    write_lines(run / "tokens_vllm.jsonl", [{"ids": lines[0]["ids"]}] * 3)
    with pytest.raises(Mismatch, match="vLLM never saw"):
        check_tokens(run, job)


def test_token_check_is_held_against_the_lock(checked_run: tuple[Path, Job], tokenizer: Any) -> None:
    """Parquet, batch and engine agree, and are not what was locked."""
    run, job = checked_run
    template = get_template("sums@1")
    ids = {
        f"row{number}": encode(tokenizer, render_question(template, f"What is {number} + {number}?"))
        for number in (1, 2, 3)
    }
    facts: dict[str, Any] = {
        "template": template,
        "tokenizer": tokenizer,
        "stop_ids": [2],
        "task": "sums",
        "split": "train",
        "sampling": {},
        "scorer": {"rule": "last-number@1"},
    }
    write_lock(make_lock(prompts=list(ids.items()), **facts), run)
    assert check_tokens(run, job).batch == 3
    write_lock(make_lock(prompts=[*list(ids.items())[:2], ("row3", [1, 2])], **facts), run)
    with pytest.raises(Mismatch, match="row3 is not the one that the run's prompt lock names"):
        check_tokens(run, job)


def test_another_chat_template_is_seen(checked_run: tuple[Path, Job], model_copy: Any) -> None:
    run, job = checked_run
    folder = model_copy()
    path = folder / "chat_template.jinja"
    path.write_text(path.read_text().replace("<|im_start|>", "<|im_start|> "))
    with pytest.raises(Mismatch, match="at token"):
        check_tokens(run, msgspec.structs.replace(job, model_folder=str(folder)))


def test_keep_best_keeps_the_last_too(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8):
        (tmp_path / f"global_step_{step}").mkdir()
    keep_best(tmp_path, {0: 0.9, 2: 0.5, 4: 0.7, 6: 0.6, 8: 0.1}, keep=1)
    assert sorted(path.name for path in tmp_path.glob("global_step_*")) == ["global_step_4", "global_step_8"]


def test_a_refused_start_leaves_no_lock_behind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="of the start"), hold(tmp_path / "run"):
        raise UserError("of the start")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["data", "taken"], ["grpo", "--dry-run", "--output", "taken"]])
def test_an_output_that_is_a_file_is_refused(smollm2: Path, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "taken").write_text("mine")
    words = [*command, "--model", str(smollm2), "--task", "sums"]
    done = subprocess.run(
        [sys.executable, "-m", "trainkit", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "taken is a file" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_refused_data_set_leaves_no_folder(smollm2: Path, tmp_path: Path) -> None:
    given = {"task": "sums", "model": str(smollm2), "prompt_length": 3}
    with pytest.raises(UserError, match="raise --prompt-length"):
        write_data(resolve("grpo", given, preset=None, config=None, has_gpu=True), tmp_path / "data")
    assert not (tmp_path / "data").exists()


ROWS = """
import torch
from tensordict import TensorDict
from trainkit.plugins.steps.nested_rows import select, verls_own

torch.manual_seed(0)
lengths = torch.randint(1, 40, (64,)).tolist()
ragged = lambda *shapes: torch.nested.as_nested_tensor([*map(torch.rand, *shapes)], layout=torch.jagged)
batch = TensorDict({"a": ragged(lengths), "c": torch.arange(64)}, batch_size=[64])
batch["b"] = ragged(lengths, [3] * 64)
batch["d"] = ragged([2] * 64, lengths)
for indices in (torch.randperm(64)[:20], [5], [7, 7, 0], [-1, -64], list(range(64))):
    theirs, ours = verls_own(batch, indices), select(batch, indices)
    assert ours.batch_size == theirs.batch_size and set(ours.keys()) == set(theirs.keys())
    for name in theirs.keys():
        pairs = zip(theirs[name].unbind(), ours[name].unbind(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs), name
        if name == "a":  # what verl does to them next (it pads "b" to the sum of its lengths)
            one, other = theirs[name], ours[name]
            assert torch.equal(one.offsets(), other.offsets()) and torch.equal(one.values(), other.values())
            assert torch.equal(one.to_padded_tensor(-1.0), other.to_padded_tensor(-1.0)), name
            assert torch.equal((one * 2).to_padded_tensor(0), (other * 2).to_padded_tensor(0)), name
            assert torch.equal(one.contiguous().values(), other.contiguous().values()), name
print("the same rows")
"""


def test_rows_of_nested_tensors_are_those_that_verl_picks() -> None:
    done = subprocess.run([sys.executable, "-c", ROWS], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "the same rows\n", done.stderr[-2000:]
